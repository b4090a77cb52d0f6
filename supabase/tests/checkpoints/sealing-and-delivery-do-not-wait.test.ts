/** Sealing asks for checkpoints in the transaction that seals; delivery reports at the same time, in an order of its own. */
import { equal } from "node:assert/strict";
import postgres from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";

const database = await testDatabase();
/** Whoever has to wait fails at once. */
const connect = () =>
  postgres(database.url, { max: 1, onnotice: () => {}, connection: { lock_timeout: 500 } });
const [sealer, deliverer] = [connect(), connect()];
await sealer.unsafe(`
  create table public.deeds (name text);
  select private.make_immutable('public.deeds');
  update public.notification_channels set enabled = name = 'store';
  insert into public.deeds (name) values ('one');
  select public.seal_audit('deeds');`).simple();

Deno.test.afterAll(async () => {
  await Promise.all([sealer.end(), deliverer.end()]);
  await database.stop();
});

Deno.test("sealing and delivery do not wait for each other, and nothing gets lost between them", async () => {
  const [{ claimed: [{ epoch, messages: [{ id }] }] }] = await deliverer<
    [{ claimed: [{ epoch: number; messages: [{ id: number }] }] }]
  >`select public.claim_outbox('{store}', 10) as claimed`;
  await sealer`begin`;
  await sealer`insert into public.deeds (name) values ('two')`;
  await sealer`select public.seal_audit('deeds')`;
  const [row] = await deliverer`
    select public.finish_outbox('store', ${epoch}, jsonb_build_array(jsonb_build_object('id', ${id}::bigint, 'outcome', 'delivered'))) as taken`;
  equal(row!.taken, true);
  await sealer`commit`;
  await sealer`select private.publish()`;
  const [open] = await sealer`
    select count(*)::integer as messages from public.outbox where channel = 'store' and delivered_at is null`;
  equal(open!.messages, 1, "what was sealed meanwhile is asked for by the timer");
});
