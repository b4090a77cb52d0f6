import assert from "node:assert/strict";
import Stripe from "stripe";
import type { Database } from "../_shared/ports.ts";
import { receiveEvent } from "./receive-event.ts";

const SECRET = "whsec_test";
const EVENT = {
  id: "evt_1",
  object: "event",
  type: "invoice.paid",
  created: 1_795_000_000,
  livemode: false,
  data: { object: { id: "in_1", object: "invoice", customer_email: "canary@example.com" } },
};

/** The header that Stripe sends with a body, signed now unless told otherwise. */
async function sign(
  body: string,
  secret = SECRET,
  timestamp = Math.floor(Date.now() / 1_000),
): Promise<string> {
  const cryptoProvider = Stripe.createSubtleCryptoProvider();
  return await Stripe.webhooks.generateTestHeaderStringAsync({
    payload: body,
    secret,
    timestamp,
    cryptoProvider,
  });
}

/** Delivers a body; `rows` are the events that the database knows, `refused` counts what was refused. */
async function deliver(body: string, signature: string, rows = new Map<unknown, Record<string, unknown>>()) {
  let refused = 0;
  const database: Database = {
    // deno-lint-ignore require-await
    async rpc<T>(name: string, args: Record<string, unknown> = {}) {
      assert.equal(name, "record_webhook_event");
      const isNew = !rows.has(args.p_external_id);
      rows.set(args.p_external_id, args);
      return isNew as T;
    },
  };
  const headers = { "stripe-signature": signature };
  const request = new Request("https://project.example/stripe-webhook", { method: "POST", headers });
  const rawBody = new TextEncoder().encode(body);
  const response = await receiveEvent(request, rawBody, "r1", {
    database,
    secret: () => SECRET,
    // deno-lint-ignore require-await
    logRefusal: async () => void refused++,
  });
  return { status: response.status, body: await response.json(), rows, refused };
}

Deno.test("a signed event is recorded without personal data", async () => {
  const body = JSON.stringify(EVENT);
  const { status, body: answer, rows, refused } = await deliver(body, await sign(body));
  assert.deepEqual([status, answer, refused], [200, { received: true, duplicate: false }, 0]);
  assert.deepEqual(rows.get("evt_1"), {
    p_service_name: "stripe",
    p_external_id: "evt_1",
    p_event_type: "invoice.paid",
    p_payload: {
      stripe_event_id: "evt_1",
      created: 1_795_000_000,
      livemode: false,
      object: { id: "in_1", type: "invoice" },
    },
  });
});

Deno.test("an event that Stripe sends again is acknowledged and recorded once", async () => {
  const body = JSON.stringify(EVENT);
  const { rows } = await deliver(body, await sign(body));
  const again = await deliver(body, await sign(body), rows);
  assert.deepEqual([again.status, again.body, rows.size], [200, { received: true, duplicate: true }, 1]);
});

Deno.test("what Stripe did not sign, or signed long ago, is refused with one code and leaves no event", async () => {
  const body = JSON.stringify(EVENT);
  const now = Math.floor(Date.now() / 1_000);
  const forged: [body: string, signature: string][] = [
    [body, ""],
    [body, "t=1,v1=00"],
    [body, await sign(body, "whsec_other")],
    [body, await sign(body, SECRET, now - 301)],
    [body + " ", await sign(body)],
    ["", await sign(body)],
  ];
  for (const [sent, signature] of forged) {
    const { status, body: answer, rows, refused } = await deliver(sent, signature);
    assert.deepEqual([status, answer.error.code, rows.size, refused], [
      400,
      "webhook.signature_invalid",
      0,
      1,
    ]);
  }
});

Deno.test("an event of almost five minutes ago is still taken", async () => {
  const body = JSON.stringify(EVENT);
  const { status } = await deliver(body, await sign(body, SECRET, Math.floor(Date.now() / 1_000) - 290));
  assert.equal(status, 200);
});
