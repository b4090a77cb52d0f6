import assert from "node:assert/strict";
import Stripe from "stripe";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { testStack } from "../../../scripts/testing/stack.ts";

const SECRET = "whsec_test";
let stack: Stack;

Deno.test.beforeAll(async () => {
  stack = await testStack({ STRIPE_WEBHOOK_SECRET: SECRET });
});
Deno.test.afterAll(() => stack.stop());

async function deliver(body: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${stack.url}/functions/v1/stripe-webhook`, { method: "POST", headers, body });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

async function sign(payload: string): Promise<Record<string, string>> {
  const cryptoProvider = Stripe.createSubtleCryptoProvider();
  const options = { payload, secret: SECRET, cryptoProvider };
  return { "stripe-signature": await Stripe.webhooks.generateTestHeaderStringAsync(options) };
}

Deno.test("20 copies of an event, all at once, are acknowledged and leave one row", async () => {
  const event = {
    ...{ id: "evt_1", object: "event", type: "invoice.paid", created: 1_795_000_000, livemode: false },
    data: { object: { id: "in_1", object: "invoice" } },
  };
  const body = JSON.stringify(event);
  const headers = await sign(body);
  const answers = await Promise.all(Array.from({ length: 20 }, () => deliver(body, headers)));
  assert.ok(answers.every(({ status, body }) => status === 200 && body.received));
  assert.equal(answers.filter(({ body }) => !body.duplicate).length, 1);
  const rows = await stack
    .sql`select service_name, event_type, status, payload from public.integration_events`;
  assert.equal(rows.length, 1);
  assert.deepEqual([rows[0]!.event_type, rows[0]!.payload.stripe_event_id], ["invoice.paid", "evt_1"]);
});

Deno.test("events without a valid signature are refused, and leave one entry in the audit log", async () => {
  const [before] = await stack.sql`select count(*) from public.integration_events`;
  const headers = await sign('{"id":"evt_3"}');
  for (const { status, body } of [await deliver('{"id":"evt_2"}', headers), await deliver("{}", headers)]) {
    assert.deepEqual([status, body.error.code], [400, "webhook.signature_invalid"]);
  }
  const [after] = await stack.sql`select count(*) from public.integration_events`;
  assert.deepEqual(after, before);
  const entries = await stack.sql`select kind, action, resource, payload from public.audit_log
    where subsystem = 'stripe-webhook'`;
  assert.equal(entries.length, 1);
  const [{ kind, action, resource, payload }] = entries as unknown as [Record<string, unknown>];
  assert.deepEqual([kind, action, resource], ["error", "webhook.refused", "webhook:stripe"]);
  assert.match(JSON.stringify(payload), /webhook\.signature_invalid.*1 request/);
});

Deno.test("a failure can be forced in development, and only there", async () => {
  const forced = await deliver('{"type":"test.event"}', { "x-force-failure": "network" });
  assert.deepEqual([forced.status, forced.body], [503, { error: "Service temporarily unavailable" }]);
  const [event] = await stack.sql`select service_name, event_type, status from public.integration_events
    where id = ${forced.headers.get("x-event-id")}`;
  assert.deepEqual([event!.service_name, event!.event_type, event!.status], [
    "stripe",
    "webhook.failed",
    "error",
  ]);

  await stack.setEnv({ ENVIRONMENT: "production" });
  const refused = await deliver('{"type":"test.event"}', { "x-force-failure": "network" });
  assert.deepEqual([refused.status, refused.body.error.code], [400, "webhook.signature_invalid"]);
});
