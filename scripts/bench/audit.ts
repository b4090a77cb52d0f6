/** Immutable tables: inserting into one beside a plain table and hash chains; then sealing and verifying a large one. */
import { rowsPerSecond } from "./commits.ts";
import { type BenchDatabase, benchDatabase } from "./database.ts";
import { type Figure, median } from "./figure.ts";
import { insertReceipts, makeChains, makePlainReceipts, requireWholeChain } from "./receipts.ts";
import { benchVerification } from "./verification.ts";

/** The tables take turns, so that what else the machine does hits all of them. */
const ROUNDS = 3;
/** Long enough that what a new connection has to load first hardly counts. */
const SECONDS = 2;
const BATCH = 1_000;

export async function benchAudit(): Promise<Figure[]> {
  const database = await benchDatabase();
  try {
    await makePlainReceipts(database.sql);
    await makeChains(database.sql);
    const figures = [];
    for (const connections of [1, 8, 32]) figures.push(...await benchInserts(database, connections));
    figures.push(await benchBatches(database));
    return [...figures, ...await benchVerification(database.sql)];
  } finally {
    await database.stop();
  }
}

async function benchInserts(database: BenchDatabase, connections: number): Promise<Figure[]> {
  const tables = ["receipts", "plain_receipts", "chained_receipts", "queued_receipts"] as const;
  const rates = await takeTurns(database, tables, connections, 1);
  await requireWholeChain(database.sql, "chained_receipts");
  await requireWholeChain(database.sql, "queued_receipts");
  const figure = {
    what: `immutable insert, ${connections} connection${connections > 1 ? "s" : ""}`,
    unit: "commits/s",
    ours: rates.receipts,
    better: "more",
  } as const;
  return [
    { ...figure, peer: rates.plain_receipts, peerIs: "same table, not immutable", aim: 0.77 },
    {
      ...figure,
      ...{ peer: rates.chained_receipts, peerIs: "hash chain, head row locked" },
      aim: connections === 32 ? 7 : undefined,
    },
    { ...figure, peer: rates.queued_receipts, peerIs: "hash chain, advisory lock" },
  ];
}

async function benchBatches(database: BenchDatabase): Promise<Figure> {
  const rates = await takeTurns(database, ["receipts", "plain_receipts"], 1, BATCH);
  return {
    what: `immutable insert, ${BATCH.toLocaleString("en")} rows a statement`,
    unit: "rows/s",
    ...{ ours: rates.receipts, peer: rates.plain_receipts, peerIs: "same table, not immutable" },
    better: "more",
  };
}

/** The median of each table's rounds, in rows per second. */
async function takeTurns<Table extends string>(
  database: BenchDatabase,
  tables: readonly Table[],
  connections: number,
  rowsPerCommit: number,
): Promise<Record<Table, number>> {
  const rates = new Map<Table, number[]>(tables.map((table) => [table, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const table of tables) {
      const statement = insertReceipts(table, rowsPerCommit);
      rates.get(table)!.push(
        await rowsPerSecond(database, { connections, seconds: SECONDS, statement, table, rowsPerCommit }),
      );
    }
  }
  return Object.fromEntries(tables.map((table) => [table, median(rates.get(table)!)])) as Record<
    Table,
    number
  >;
}
