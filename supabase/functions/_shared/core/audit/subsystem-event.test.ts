import assert from "node:assert/strict";
import fc from "fast-check";
import type { z } from "zod";
import { AuditError } from "./audit-error.ts";
import {
  action,
  checkEvent,
  decision,
  describeError,
  error,
  prediction,
  sanitizeEvent,
  subsystemName,
} from "./subsystem-event.ts";

const ACTION = { actor: "system", action: "process_data", resource: "data_pipeline", result: "success" };
const EVENT = { subsystem: "billing", kind: "action" as const, ...ACTION, payload: {} };

const invalid = (about: RegExp) => (error: unknown) =>
  error instanceof AuditError && error.code === "audit.event_invalid" && about.test(error.message);

Deno.test("events of each kind pass as they are", () => {
  const events: [z.ZodType<unknown>, unknown][] = [
    [action, ACTION],
    [action, { ...ACTION, payload: { records: 1_000, duration_ms: 245 } }],
    [error, { actor: "worker_3", action: "transform_data", resource: "dataset_123", error: null }],
    [decision, {
      ...{
        actor: "policy_engine",
        decision_type: "approval",
        resource: "deployment_456",
        decision: "approved",
      },
      ...{ reasoning: ["low risk", "within window", "trust score > 0.8"], confidence: 0.92 },
    }],
    [prediction, {
      ...{ actor: "ml_model", prediction_type: "capacity", resource: "api_cluster" },
      ...{ predicted_value: 1_500, confidence: 0.85, current_value: 1_000 },
    }],
  ];
  for (const [shape, event] of events) assert.deepEqual(checkEvent(shape, event, "event"), event);
});

Deno.test("an event that is not complete is refused, by the name of the field", () => {
  assert.throws(() => checkEvent(action, { ...ACTION, actor: "" }, "action"), invalid(/actor/));
  assert.throws(() => checkEvent(action, { ...ACTION, result: undefined }, "action"), invalid(/result/));
  assert.throws(
    () => checkEvent(action, { ...ACTION, resource: "x".repeat(501) }, "action"),
    invalid(/resource/),
  );
  assert.throws(() => checkEvent(action, { ...ACTION, payload: [1] }, "action"), invalid(/payload/));
  assert.throws(() => checkEvent(action, { ...ACTION, paylaod: {} }, "action"), invalid(/paylaod/));
  assert.throws(() => checkEvent(action, null, "action"), invalid(/cannot be logged/));
  assert.throws(
    () => checkEvent(error, { actor: "a", action: "b", resource: "c" }, "error"),
    invalid(/error/),
  );
  const chosen = {
    actor: "a",
    decision_type: "b",
    resource: "c",
    decision: "d",
    reasoning: [],
    confidence: 1,
  };
  for (const confidence of [-0.01, 1.01, NaN, "0.5"]) {
    assert.throws(() => checkEvent(decision, { ...chosen, confidence }, "decision"), invalid(/confidence/));
  }
  assert.throws(
    () => checkEvent(decision, { ...chosen, reasoning: "why" }, "decision"),
    invalid(/reasoning/),
  );
  const expected = { actor: "a", prediction_type: "b", resource: "c", confidence: 1, current_value: 1 };
  assert.throws(() => checkEvent(prediction, expected, "prediction"), invalid(/predicted_value/));
});

Deno.test("a subsystem has a plain name, and none speaks for the audit log", () => {
  for (const name of ["self-heal", "my_subsystem", "audits", "b2"]) {
    checkEvent(subsystemName, name, "subsystem");
  }
  for (const name of ["", "audit", "Billing", "2b", "a b", "audit\n", "ä", "x".repeat(501), undefined]) {
    assert.throws(() => checkEvent(subsystemName, name, "subsystem"), invalid(/subsystem/));
  }
});

Deno.test("no secret stays in any field", () => {
  const bearer = "Bearer canary-0123456789";
  const shown = sanitizeEvent({
    ...EVENT,
    actor: `job with ${bearer}`,
    resource: "https://api.example.com/?access_token=canary",
    result: "password=canary",
    payload: { api_key: "canary", list: [{ note: bearer }], rows: 7 },
  });
  assert.ok(!JSON.stringify(shown).includes("canary"));
  assert.equal(shown.payload.rows, 7);
});

Deno.test("names of things that are no secrets stay as they are", () => {
  for (
    const resource of [
      "integration:slack",
      "recovery:8f14e45f-ceea-467f-a8d6-7fd2b9a3c1e4",
      "grant:00000000-0000-4000-8000-000000000001",
      "table:receipts",
      "outbox:1204",
      "deployment_456",
    ]
  ) assert.equal(sanitizeEvent({ ...EVENT, resource }).resource, resource);
});

Deno.test("payloads are JSON of at most 64 kB", () => {
  const payload = { text: "ä".repeat(32_000), at: new Date(0), nothing: undefined };
  assert.deepEqual(sanitizeEvent({ ...EVENT, payload }).payload, {
    text: "ä".repeat(32_000),
    at: "1970-01-01T00:00:00.000Z",
  });
  assert.throws(
    () => sanitizeEvent({ ...EVENT, payload: { text: "ä".repeat(33_000) } }),
    invalid(/66011 bytes/),
  );
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  assert.throws(() => sanitizeEvent({ ...EVENT, payload: circle }), invalid(/circular/i));
  assert.throws(() => sanitizeEvent({ ...EVENT, payload: { n: 1n } }), invalid(/BigInt/));
});

Deno.test("an error is told by its name, code and text", () => {
  const failure = Object.assign(new TypeError("No route to host"), { code: "EHOSTUNREACH" });
  assert.deepEqual(describeError(failure), {
    name: "TypeError",
    code: "EHOSTUNREACH",
    message: "No route to host",
  });
  assert.equal(describeError("plain text").message, "plain text");
  assert.deepEqual(describeError({ message: "no such table", code: 42 }), {
    ...{ name: undefined, code: "42", message: "no such table" },
  });
  assert.equal(describeError({ status: 500 }).message, '{"status":500}');
  assert.equal(describeError(null).message, "null");
  assert.equal(describeError(Symbol("lost")).message, "Symbol(lost)");
});

Deno.test("an error's text holds no secret and has an end", () => {
  const { message } = describeError(new Error(`Authorization: Bearer canary ${"x ".repeat(100_000)}`));
  assert.ok(!message.includes("canary"));
  assert.equal(message.length, 2_000);
});

Deno.test("whatever was thrown can be logged", () => {
  fc.assert(fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true }), (thrown) => {
    const { payload } = sanitizeEvent({ ...EVENT, kind: "error", payload: { error: describeError(thrown) } });
    assert.equal(typeof (payload.error as { message: unknown }).message, "string");
  }));
});
