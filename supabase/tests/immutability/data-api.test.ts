/** What the Data API can do with an immutable table: insert and read, for the service role; nothing else, for nobody else. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { testStack } from "../../../scripts/testing/stack.ts";

let stack: Stack;
let service: SupabaseClient;
let visitor: SupabaseClient;
const tables = ["receipts", "ledger_events", "call_sessions", "audit_log"];
const receipt = { payer: "ada", amount_minor: 1250, currency: "EUR" };

Deno.test.beforeAll(async () => {
  stack = await testStack();
  service = createClient(stack.url, stack.secrets.secretKey);
  visitor = createClient(stack.url, stack.secrets.publishableKey);
  await stack
    .sql`insert into ledger_events (event_type, account, amount_minor, currency) values ('payment', 'ada', 1, 'EUR')`;
  await stack
    .sql`insert into call_sessions (started_at, ended_at, status) values (now(), now(), 'completed')`;
  await stack.sql`select private.audit('tests', 'system', 'row.inserted', 'table:receipts', 'done')`;
});

Deno.test.afterAll(() => stack.stop());

/** Codes of the refusals of everything that would change a row, on every table. */
async function refusals(client: SupabaseClient): Promise<string[]> {
  const codes: string[] = [];
  for (const table of tables) {
    const of = client.from(table);
    const answers = [
      await of.update({ leaf_hash: "\\x00" }).gte("immutable_seq", 0),
      await of.delete().gte("immutable_seq", 0),
      await of.upsert({ immutable_seq: 1 }, { onConflict: "immutable_seq" }),
    ];
    codes.push(...answers.map(({ error }) => error?.hint || error?.code || `${table}: not refused`));
  }
  return [...new Set(codes)];
}

Deno.test("the service role inserts a record and gets its number; the row is sealed", async () => {
  const { data, error } = await service.from("receipts").insert([receipt, receipt]).select("immutable_seq");
  equal(error, null);
  deepEqual(data!.map(({ immutable_seq }) => immutable_seq), [1, 2]);
  const sealed = await service.rpc("seal_audit", { p_table: "receipts" });
  equal(sealed.data[0].size, 2);
});

Deno.test("a number or a hash that comes with a row is refused, or not taken", async () => {
  const numbered = await service.from("receipts").insert({ ...receipt, immutable_seq: 7 });
  deepEqual([numbered.status, numbered.error!.hint], [422, "audit.number_given"]);
  const forged = { ...receipt, reference: "forged", leaf_hash: "\\x00" };
  equal((await service.from("receipts").insert(forged)).error, null);
  const [row] = await stack
    .sql`select octet_length(leaf_hash) as length from receipts where reference = 'forged'`;
  equal(row!.length, 32);
});

Deno.test("nobody changes or deletes a row through the Data API", async () => {
  const before = await stack.sql`select r.*, l.*, c.* from receipts r, ledger_events l, call_sessions c`;
  deepEqual(await refusals(service), ["42501"]);
  deepEqual(await refusals(visitor), ["42501"]);
  deepEqual(await stack.sql`select r.*, l.*, c.* from receipts r, ledger_events l, call_sessions c`, before);
});

Deno.test("the table itself refuses whom somebody granted everything, with a code and a sentence", async () => {
  for (const table of tables) await stack.sql.unsafe(`grant all on ${table} to service_role`);
  deepEqual(await refusals(service), ["audit.immutable"]);
  const { status, error } = await service.from("receipts").delete().eq("payer", "nobody");
  equal(status, 403);
  equal(
    error!.message,
    "DELETE on receipts is refused: its rows are a record that nobody may change. Insert a row that corrects the earlier one.",
  );
});

Deno.test("visitors see nothing of the audit log, and cannot seal", async () => {
  for (const table of [...tables, "audit_blocks", "audit_nodes", "immutable_tables"]) {
    const { error } = await visitor.from(table).select();
    equal(error?.code, "42501", table);
  }
  const { error } = await visitor.rpc("seal_audit");
  ok(error);
});
