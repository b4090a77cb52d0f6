import assert from "node:assert/strict";
import { publishDeps } from "../../functions/_shared/audit/deps.ts";
import { verifyAuditIntegrity } from "../../functions/_shared/audit/verify-integrity.ts";
import { type Publishing, restore, rewrite, startPublishing } from "./publishing.ts";

let world: Publishing;
Deno.test.beforeAll(async () => {
  world = await startPublishing();
});
Deno.test.afterAll(() => world.stop());
Deno.test.beforeEach(async () => {
  await world.stack.sql`delete from outbox`;
});

/** As in a function: everything from the environment. */
async function verify(table: string, env: Record<string, string> = {}) {
  const variables = { ...world.stack.env, ...env };
  return await verifyAuditIntegrity(table, await publishDeps((name) => variables[name]));
}

/** A log of ten rows in two blocks that was published. */
async function publishedLog(): Promise<string> {
  const table = await world.logOf(5);
  await world.grow(table, 5);
  await world.publish(table);
  return table;
}

/** Does something to a log as its owner, past the triggers. */
async function tamper(table: string, statement: string): Promise<void> {
  const { sql } = world.stack;
  await sql`alter table ${sql(table)} disable trigger user`;
  await sql.unsafe(statement);
  await sql`alter table ${sql(table)} enable trigger user`;
}

Deno.test("an honest log is valid, and was compared with its checkpoint", async () => {
  const table = await publishedLog();
  const { valid, gaps, lastSeq, rows, size, damage, checkpoint } = await verify(`public.${table}`);
  assert.deepEqual({ valid, gaps, lastSeq, rows, size, damage }, {
    ...{ valid: true, gaps: [], damage: [] },
    ...{ lastSeq: 10, rows: 10, size: 10 },
  });
  assert.equal(checkpoint!.size, 10);
});

Deno.test("rows that were deleted and edited are named by their numbers", async () => {
  const table = await publishedLog();
  await tamper(table, `delete from ${table} where immutable_seq in (3, 7)`);
  await tamper(table, `update ${table} set deed = 'forged' where immutable_seq = 5`);
  const { valid, gaps, damage } = await verify(table);
  assert.deepEqual([valid, gaps], [false, [3, 7]]);
  assert.deepEqual(damage.map(({ kind, firstSeq }) => [kind, firstSeq]), [["deleted", 3], ["edited", 5], [
    "deleted",
    7,
  ]]);
});

Deno.test("a full rewrite, traces included, is found by the checkpoint outside alone", async () => {
  const table = await publishedLog();
  await rewrite(world, table, 12, { publications: true });
  const [inside] = await world.stack.sql`select verify_audit_integrity(${table}) as verdict`;
  assert.equal(inside!.verdict.valid, true, "The database alone cannot know");
  const { valid, damage } = await verify(table);
  assert.deepEqual([valid, damage.map(({ kind }) => kind)], [false, ["rewritten"]]);
});

Deno.test("a restored backup is found by the checkpoint outside alone", async () => {
  const table = await publishedLog();
  await restore(world, table);
  const { valid, damage } = await verify(table);
  assert.deepEqual([valid, damage.map(({ kind }) => kind)], [false, ["tail_cut"]]);
});

Deno.test("a long log is verified in ranges, each row once", async () => {
  const table = await world.logOf(150_000);
  await world.grow(table, 150_000);
  await world.publish(table);
  await world.stack.sql`insert into ${world.stack.sql(table)} (deed) values ('not sealed yet')`;
  const [{ ranges }] = await world.stack.sql`select jsonb_array_length(audit_ranges(${table})) as ranges` as [
    { ranges: number },
  ];
  assert.ok(ranges > 1, `${ranges} ranges`);
  const { valid, rows, lastSeq } = await verify(table);
  assert.deepEqual([valid, rows, lastSeq], [true, 300_001, 300_001]);
  await tamper(table, `delete from ${table} where immutable_seq in (10, 299999)`);
  const { gaps, damage } = await verify(table);
  assert.deepEqual([gaps, damage.length], [[10, 299_999], 2]);
});

Deno.test("without a key there is a verdict, and it says that nothing outside was compared", async () => {
  const table = await publishedLog();
  const { valid, checkpoint } = await verify(table, { AUDIT_SIGNING_KEY: "" });
  assert.deepEqual([valid, checkpoint], [true, null]);
});

Deno.test("a table that is unknown or not immutable, and a checkpoint that cannot be used, are errors", async () => {
  await assert.rejects(verify("nowhere"), { code: "audit.table_unknown" });
  await assert.rejects(verify("outbox"), { code: "audit.not_immutable" });
  const table = await publishedLog();
  await world.tamper(`${table}/${"11".padStart(20, "0")}.txt`, "no note");
  await assert.rejects(verify(table), { code: "audit.checkpoint_invalid" });
});
