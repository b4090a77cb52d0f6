/** What a project's own function sees: the logger over the Data API, and the log that it writes to. */
import assert from "node:assert/strict";
import { createClient } from "@supabase/supabase-js";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { testStack } from "../../../scripts/testing/stack.ts";
import { createDatabase } from "../../functions/_shared/adapters/database.ts";
import { getSubsystemLogger, getSubsystemStats } from "../../functions/_shared/audit/subsystem-logger.ts";
import { type Database, DatabaseError } from "../../functions/_shared/ports.ts";

let stack: Stack;
let database: Database;

Deno.test.beforeAll(async () => {
  stack = await testStack();
  database = createDatabase({ url: stack.url, secretKey: stack.secrets.secretKey });
});
Deno.test.afterAll(() => stack.stop());

const ACTION = { actor: "system", action: "invoice.sent", resource: "invoice:1", result: "success" };

Deno.test("an entry is durable when the call returns: a crash of the database keeps it", async () => {
  await getSubsystemLogger("durable", { database }).logAction({ ...ACTION, payload: { lines: 3 } });
  await stack.restartPostgres();
  const rows = await stack
    .sql`select kind, actor, action, resource, result, payload, leaf_hash is not null as hashed
    from audit_log where subsystem = 'durable'`;
  assert.deepEqual([...rows], [{ kind: "action", ...ACTION, payload: { lines: 3 }, hashed: true }]);
});

Deno.test("500 events at once are in the log, each once, and in the statistics", async () => {
  const logger = getSubsystemLogger("busy", { database });
  const events = Array.from({ length: 500 }, (_, n) => ({ ...ACTION, resource: `invoice:${n}` }));
  await Promise.all(
    events.map((event, n) =>
      n % 5 === 0
        ? logger.logError({ actor: "a", action: "b", resource: event.resource, error: new Error("no") })
        : logger.logAction(event)
    ),
  );
  const [count] = await stack
    .sql`select count(*)::int as rows, count(distinct resource)::int as things from audit_log where subsystem = 'busy'`;
  assert.deepEqual({ ...count }, { rows: 500, things: 500 });
  const { busy } = await getSubsystemStats({ database });
  assert.deepEqual(busy!.event_counts, { action: 400, error: 100 });
  assert.equal(busy!.total_events, 500);
  const [newest] = await stack.sql`select max(created_at) as at from audit_log where subsystem = 'busy'`;
  assert.equal(busy!.last_logged, newest!.at.toISOString());
});

Deno.test("sealing and counting change no figure", async () => {
  const logger = getSubsystemLogger("sealed", { database });
  await Promise.all(Array.from({ length: 20 }, () => logger.logAction(ACTION)));
  const before = await getSubsystemStats({ database });
  await stack.sql`select public.seal_audit('audit_log')`;
  await stack.sql`select public.seal_audit('audit_log')`;
  await stack.sql`select private.count_subsystem_events()`;
  const [counted] = await stack.sql`select events::int from subsystem_counts where subsystem = 'sealed'`;
  assert.equal(counted?.events, 20);
  assert.deepEqual(await getSubsystemStats({ database }), before);
});

Deno.test("counting at the same time counts once", async () => {
  const logger = getSubsystemLogger("counted", { database });
  await Promise.all(Array.from({ length: 50 }, () => logger.logAction(ACTION)));
  await stack.sql`select public.seal_audit('audit_log')`;
  await stack.sql`select public.seal_audit('audit_log')`;
  await Promise.all(Array.from({ length: 8 }, () => stack.sql`select private.count_subsystem_events()`));
  const { counted } = await getSubsystemStats({ database });
  assert.equal(counted!.total_events, 50);
});

Deno.test("texts that Postgres cannot store are logged all the same", async () => {
  await getSubsystemLogger("odd", { database }).logError({
    ...{ actor: "a", action: "b", resource: "c" },
    error: new Error("before\u0000after \ud800"),
  });
  const [row] = await stack.sql`select payload from audit_log where subsystem = 'odd'`;
  assert.match(row!.payload.error.message, /^before.after/);
});

Deno.test("a batch with a bad event is refused as a whole, with a code and the place", async () => {
  const event = { subsystem: "halves", kind: "action", ...ACTION };
  const refused = database.rpc("log_subsystem_events", { p_events: [event, { ...event, kind: "rumour" }] });
  await assert.rejects(
    refused,
    (error: unknown) =>
      error instanceof DatabaseError && error.code === "audit.event_invalid" && error.status === 422 &&
      error.message.includes("p_events[1].kind"),
  );
  assert.equal((await getSubsystemStats({ database })).halves, undefined);
});

Deno.test("nobody but the service role logs, counts or changes an entry", async () => {
  const anonymous = createClient(stack.url, stack.secrets.publishableKey);
  const event = { subsystem: "forged", kind: "action", ...ACTION };
  assert.ok((await anonymous.rpc("log_subsystem_events", { p_events: [event] })).error);
  assert.ok((await anonymous.rpc("subsystem_stats")).error);
  const service = createClient(stack.url, stack.secrets.secretKey);
  assert.ok((await service.from("audit_log").insert(event)).error);
  assert.ok((await service.from("audit_log").update({ actor: "x" }).eq("subsystem", "durable")).error);
  assert.ok((await service.from("subsystem_counts").update({ events: 0 }).eq("subsystem", "busy")).error);
  assert.equal((await getSubsystemStats({ database })).forged, undefined);
});
