/** Sealing and verifying an immutable table of ten million rows. */
import type { Sql } from "postgres";
import { type Figure, median, requireEqual } from "./figure.ts";
import { insertReceipts, makeManyReceipts } from "./receipts.ts";

const ROWS = 10_000_000;
/** What one connection hashes or verifies at a time. */
const BLOCKS = 16;
const RANGE = BLOCKS * 65_536;
/** Of hashing and of verifying, each over other rows. */
const ROUNDS = 3;
const MINUTE = 1_000;
const MINUTES = 15;

export async function benchVerification(sql: Sql): Promise<Figure[]> {
  await makeManyReceipts(sql, ROWS);
  const sealing = await rowsPerSecond(ROWS, () => seal(sql));
  const figures: Figure[] = [];
  for (const connections of [1, 2]) {
    const hashing = await rangesPerSecond(connections, (range) => hashRange(sql, range));
    const peer = { peer: hashing, peerIs: "each row's text hashed" };
    if (connections === 1) {
      figures.push({
        what: `seal ${ROWS.toLocaleString("en")} rows`,
        unit: "rows/s",
        ...{ ours: sealing, ...peer },
        better: "more",
        goal: 1_000_000,
      });
    }
    figures.push({
      what: `verify everything, ${connections} connection${connections > 1 ? "s" : ""}`,
      unit: "rows/s",
      ours: await rangesPerSecond(connections, (range) => verifyRange(sql, range)),
      ...peer,
      better: "more",
      goal: connections * 800_000,
    });
  }
  return [...figures, await benchNewestMinute(sql)];
}

/** What is new in a minute, verified on one connection whose plans are made: the newest block, and what is not sealed yet. */
async function benchNewestMinute(sql: Sql): Promise<Figure> {
  const times: number[] = [];
  const connection = await sql.reserve();
  for (let minute = 0; minute < MINUTES; minute++) {
    await sql.unsafe(insertReceipts("many_receipts", MINUTE));
    requireEqual("rows sealed", await seal(sql), MINUTE);
    const [newest] =
      await sql`select max(number) as block from public.audit_blocks where table_name = 'many_receipts'`;
    const start = performance.now();
    requireEqual("rows verified", await verify(connection, newest!.block, null), MINUTE);
    times.push(performance.now() - start);
  }
  connection.release();
  const start = performance.now();
  const gaps = await sql`
    with gaps as (select immutable_seq - lag(immutable_seq) over (order by immutable_seq) as gap from public.many_receipts)
    select gap from gaps where gap > 1`;
  const peer = performance.now() - start;
  requireEqual("gaps", gaps.length, 0);
  return {
    what: `verify the newest ${MINUTE.toLocaleString("en")} of ${ROWS.toLocaleString("en")} rows`,
    unit: "ms",
    ...{ ours: median(times), peer, peerIs: "all numbers searched for gaps" },
    better: "less",
    goal: 10,
  };
}

/** @returns how many rows it sealed */
async function seal(sql: Sql): Promise<number> {
  const [row] = await sql`select public.seal_audit('many_receipts') as tables`;
  return row!.tables[0].sealed;
}

/**
 * The least that any verification must do: each row's text, and its hash, without a parallel plan.
 *
 * @returns how many hashes are those that the rows have
 */
async function hashRange(sql: Sql, range: number): Promise<number> {
  const [row] = await sql.begin(async (transaction) => {
    await transaction`set local max_parallel_workers_per_gather = 0`;
    const [{ leaf }] = await transaction<[{ leaf: string }]>`
      select private.leaf_expression('public.many_receipts') as leaf`;
    return await transaction.unsafe(`
      select count(*) filter (where t.leaf_hash = sha256('\\x0001'::bytea || convert_to(${leaf}, 'UTF8')))::integer as rows
      from public.many_receipts t where t.immutable_seq between ${range * RANGE + 1} and ${
      (range + 1) * RANGE
    }`);
  });
  return row!.rows;
}

/** @returns how many rows it compared */
async function verifyRange(sql: Sql, range: number): Promise<number> {
  return await verify(sql, range * BLOCKS + 1, (range + 1) * BLOCKS);
}

async function verify(sql: Sql, first: number, last: number | null): Promise<number> {
  const [row] =
    await sql`select public.verify_audit_integrity('many_receipts', ${first}, ${last}) as verdict`;
  requireEqual("damage found", row!.verdict.damage.length, 0);
  return row!.verdict.rows;
}

/** The median of the rounds, in rows per second, of as many connections at once. */
async function rangesPerSecond(
  connections: number,
  work: (range: number) => Promise<number>,
): Promise<number> {
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const ranges = Array.from({ length: connections }, (_, index) => round * connections + index);
    rates.push(
      await rowsPerSecond(connections * RANGE, async () => {
        const rows = await Promise.all(ranges.map(work));
        return rows.reduce((sum, count) => sum + count);
      }),
    );
  }
  return median(rates);
}

/** @throws BrokenRun unless the work resolves to as many rows as expected */
async function rowsPerSecond(rows: number, work: () => Promise<number>): Promise<number> {
  const start = performance.now();
  requireEqual("rows handled", await work(), rows);
  return rows / ((performance.now() - start) / 1_000);
}
