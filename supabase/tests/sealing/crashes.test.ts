/** Sealing across crashes of the database, and transactions that survive them because they were prepared. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import postgres, { type Sql } from "postgres";
import { databaseUrl, throwAwayData } from "../../../scripts/stack/database.ts";
import { prepareHome, projectRoot } from "../../../scripts/stack/paths.ts";
import { freePort } from "../../../scripts/stack/ports.ts";
import { startCluster } from "../../../scripts/stack/postgres.ts";
import { unpackPostgres } from "../../../scripts/stack/postgres-programs.ts";
import { isAlive } from "../../../scripts/stack/processes.ts";
import { loadSecrets } from "../../../scripts/stack/secrets.ts";
import { createLog, problemsOf, seal, type Sealed } from "./sealed-log.ts";

const home = await prepareHome();
const secrets = await loadSecrets(home);
const programs = await unpackPostgres(home);
const data = await throwAwayData({ project: projectRoot, home, programs, secrets });
const port = freePort();
const start = () =>
  startCluster(programs, data, {
    ...{ port, password: secrets.databasePassword, durable: true },
    settings: { max_prepared_transactions: "4" },
  });
let cluster = await start();
let sql = connect(20);

Deno.test.afterAll(async () => {
  await sql.end({ timeout: 1 });
  await cluster.stop();
  await rm(data, { recursive: true, force: true });
});

function connect(max: number): Sql {
  return postgres(databaseUrl(port, secrets), { max, onnotice: () => {} });
}

/** Ends every process of the cluster as `kill -9` does, and starts it again. */
async function killAndRestart(): Promise<void> {
  const server = Number((await readFile(join(data, "postmaster.pid"), "utf8")).split("\n")[0]);
  const [{ pids }] = await sql<[{ pids: number[] }]>`select array_agg(pid) as pids from pg_stat_activity`;
  // The server first, so that it cannot start new ones.
  Deno.kill(server, "SIGKILL");
  pids.forEach(tryToKill);
  while ([server, ...pids].some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 10));
  await sql.end({ timeout: 0 });
  cluster = await start();
  sql = connect(20);
}

function tryToKill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Writes and seals until the connections break; `onCommit` hears how many transactions were confirmed. */
async function load(table: string, round: number, onCommit: (count: number) => void): Promise<Work> {
  const work: Work = { keys: [], seals: [] };
  let next = round * 1_000_000;
  const write = async () => {
    for (let i = 0;; i++) {
      const key = ++next;
      if (i % 4 === 1) {
        await sql.unsafe(`insert into ${table} values (${key}), (-1)`).catch((error) => {
          if (error.code !== "23514") throw error;
        });
      } else if (i % 4 === 2) {
        await sql.unsafe(`insert into ${table} values (0) on conflict do nothing`);
      } else {
        await sql.unsafe(`insert into ${table} values (${key})`);
        onCommit(work.keys.push(key));
      }
    }
  };
  const sealAgain = async () => {
    while (true) work.seals.push(await seal(sql, table));
  };
  await Promise.allSettled([...Array.from({ length: 8 }, write), sealAgain()]);
  return work;
}

interface Work {
  /** Of rows whose commit was confirmed. */
  keys: number[];
  /** What sealing answered. */
  seals: Sealed[];
}

Deno.test("after a kill -9 under load every confirmed row is there, sealed once, and nothing is damaged", async () => {
  await createLog(sql, "crashing");
  await sql`insert into crashing values (0)`;
  for (let round = 1; round <= 4; round++) {
    const { promise: enough, resolve } = Promise.withResolvers<void>();
    const loading = load("crashing", round, (count) => count > 200 * round && resolve());
    await enough;
    await killAndRestart();
    const { keys, seals } = await loading;

    deepEqual(await problemsOf(sql, "crashing"), []);
    const { waiting } = await seal(sql, "crashing");
    equal(waiting, 0);
    deepEqual(await problemsOf(sql, "crashing"), []);
    const found = await sql`select key from crashing where key = any(${keys}::integer[])`;
    equal(found.length, keys.length);
    // What was answered may have been published: it must have outlived the crash.
    const roots = new Set(
      (await sql`select encode(root, 'base64') as root from audit_blocks where table_name = 'crashing'`).map((
        { root },
      ) => root),
    );
    ok(seals.some(({ sealed }) => sealed > 0));
    deepEqual(seals.filter(({ size, root }) => size > 0 && !roots.has(root)), []);
  }
});

Deno.test("a prepared transaction is waited for, across a crash, and sealed once when it is committed", async () => {
  await createLog(sql, "prepared");
  const writer = connect(1);
  await writer.unsafe("begin; insert into prepared values (1)");
  equal((await seal(sql, "prepared")).waiting, 1);
  await writer.unsafe("prepare transaction 'first'");
  equal((await seal(sql, "prepared")).waiting, 1);
  await writer.unsafe("begin; insert into prepared values (2); prepare transaction 'second'");
  await sql`insert into prepared values (3)`;
  await writer.end();
  await killAndRestart();
  equal((await seal(sql, "prepared")).sealed, 0);
  await sql.unsafe("commit prepared 'first'");
  equal((await seal(sql, "prepared")).sealed, 0);
  await sql.unsafe("rollback prepared 'second'");
  await seal(sql, "prepared");
  deepEqual(await seal(sql, "prepared").then(({ size, waiting }) => [size, waiting]), [2, 0]);
  deepEqual(await problemsOf(sql, "prepared"), []);
});
