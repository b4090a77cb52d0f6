/** A table that somebody locks, to alter it or to drop a segment of it, is sealed later; the others are sealed meanwhile. */
import { equal, match } from "node:assert/strict";
import postgres from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";

const database = await testDatabase();
const connect = () =>
  postgres(database.url, { max: 1, onnotice: () => {}, connection: { statement_timeout: 20_000 } });
const [owner, sealer] = [connect(), connect()];
await owner.unsafe(`
  create table public.altered (name text);
  create table public.busy (name text);
  select private.make_immutable(name) from unnest('{altered, busy}'::text[]) name;
  insert into public.altered (name) values ('one');
  insert into public.busy (name) values ('one');`).simple();

Deno.test.afterAll(async () => {
  await Promise.all([owner.end(), sealer.end()]);
  await database.stop();
});

Deno.test("a locked table holds up no other", async () => {
  await owner`begin`;
  await owner`lock table public.altered in access exclusive mode`;
  const [{ tables }] = await sealer<[{ tables: { table: string; sealed?: number; error?: string }[] }]>`
    select public.seal_audit() as tables`;
  await owner`commit`;
  match(tables.find(({ table }) => table === "altered")!.error!, /lock timeout/);
  equal(tables.find(({ table }) => table === "busy")!.sealed, 1);
  const [row] = await sealer`select public.seal_audit('altered') -> 0 -> 'sealed' as sealed`;
  equal(row!.sealed, 1, "it is sealed the next time");
});
