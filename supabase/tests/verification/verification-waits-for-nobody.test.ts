/** Verification reads a snapshot: while it runs, others insert, seal and verify, and it does not wait for them either. */
import { deepEqual, equal } from "node:assert/strict";
import postgres, { type Sql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";

const database = await testDatabase();
/** Whoever has to wait fails at once. */
const connect = () =>
  postgres(database.url, { max: 1, onnotice: () => {}, connection: { lock_timeout: 200 } });
const [first, second] = [connect(), connect()];
await first.unsafe(`
  create table public.busy (name text);
  select private.make_immutable('public.busy');
  insert into public.busy (name) values ('one'), ('two');
  select public.seal_audit('busy');`).simple();

Deno.test.afterAll(async () => {
  await Promise.all([first.end(), second.end()]);
  await database.stop();
});

const isSound = async (db: Sql) =>
  (await db`select public.verify_audit_integrity('busy') -> 'valid' as sound`)[0]!.sound;

Deno.test("rows are inserted and sealed while a verification is under way, also one that found damage", async () => {
  await first`alter table public.busy disable trigger immutable_guard`;
  try {
    await first`begin`;
    await first`select private.verify_audit()`;
    const [open] = await first`select kind from public.audit_damage where table_name = 'busy'`;
    equal(open!.kind, "unguarded");
    await second`insert into public.busy (name) values ('three')`;
    const [row] = await second`select public.seal_audit('busy') -> 0 -> 'sealed' as sealed`;
    equal(row!.sealed, 1);
  } finally {
    await first`commit`;
    await first`select private.make_immutable('public.busy')`;
  }
});

Deno.test("a verification does not wait for who inserts, seals, or drops a segment", async () => {
  try {
    await second`begin`;
    await second`insert into public.busy (name) values ('four')`;
    await second`select public.seal_audit('busy')`;
    await second`select from public.immutable_tables where name = 'busy' for update`;
    equal(await isSound(first), true);
  } finally {
    await second`commit`;
  }
  equal(await isSound(first), true);
});

Deno.test("two routine verifications at once do not read the same table twice", async () => {
  try {
    await first`begin`;
    await first`select private.verify_audit()`;
    const before = await second`select table_name, verified_at from public.audit_verifications order by 1`;
    await second`select private.verify_audit()`;
    deepEqual(
      await second`select table_name, verified_at from public.audit_verifications order by 1`,
      before,
    );
  } finally {
    await first`commit`;
  }
});
