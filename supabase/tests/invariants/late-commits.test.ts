/** What is committed late, or by the transaction that runs an invariant itself, is seen by the next run. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import postgres from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";
import { createShelves, openViolations, runShelves } from "./shelves.ts";

const database = await testDatabase();
const connect = () => postgres(database.url, { max: 1, onnotice: () => {}, fetch_types: false });
const [sql, writer] = [connect(), connect()];
await createShelves(sql);
await sql`insert into shelves select i, 10 from generate_series(1, 20) i`;
await runShelves(sql);

Deno.test.afterAll(async () => {
  await Promise.all([sql.end(), writer.end()]);
  await database.stop();
});

Deno.test("a transaction that began before a run and commits after it is seen by the next run", async () => {
  await writer`begin`;
  await writer`insert into boxes values (1, 1, 11)`;
  await sql`insert into boxes values (2, 2, 11)`;
  equal((await runShelves(sql)).open_violations, 1);
  await writer`commit`;
  const answer = await runShelves(sql);
  deepEqual([answer.mode, answer.opened, answer.open_violations], ["incremental", 1, 2]);
});

Deno.test("what a transaction changes after a run of its own is seen, though younger ones ended before the run", async () => {
  await writer`begin`;
  await writer`insert into boxes values (3, 3, 1)`;
  await sql`insert into boxes values (4, 4, 11)`;
  equal((await runShelves(writer)).open_violations, 3);
  await writer`insert into boxes values (5, 5, 11)`;
  await writer`commit`;
  equal((await runShelves(sql)).open_violations, 4);
});

Deno.test("a run with an older view of the data leaves what it did not see to the next one", async () => {
  await writer`begin isolation level repeatable read`;
  await writer`select count(*) from boxes`;
  await sql`insert into boxes values (6, 6, 11)`;
  equal((await runShelves(writer)).open_violations, 4);
  await writer`commit`;
  equal((await runShelves(sql)).open_violations, 5);
});

Deno.test("what is copied into a table is seen", async () => {
  await pipeline(Readable.from(["7\t7\t11\n8\t8\t11\n"]), await sql`copy boxes from stdin`.writable());
  equal((await runShelves(sql)).open_violations, 7);
});

Deno.test("what was rolled back is not found", async () => {
  await writer`begin`;
  await writer`delete from boxes`;
  await writer`rollback`;
  equal((await runShelves(sql)).open_violations, 7);
  const { stored, real } = await openViolations(sql);
  deepEqual(stored, real);
});

Deno.test("an invariant is run once at a time", async () => {
  await writer`begin`;
  await runShelves(writer);
  await rejects(() => runShelves(sql), { code: "PT409", hint: "invariant.busy" });
  await writer`commit`;
  equal((await runShelves(sql)).error, null);
});

Deno.test("what a first run that is under way has not seen is kept for the next one", async () => {
  await sql`update invariants set watermark = null where name = 'SHELVES'`;
  await writer`begin`;
  equal((await runShelves(writer)).mode, "full");
  await sql`insert into boxes values (9, 9, 11)`;
  await sql`select private.finish_invariant_cycle()`;
  await writer`commit`;
  equal((await runShelves(sql)).open_violations, 8);
});
