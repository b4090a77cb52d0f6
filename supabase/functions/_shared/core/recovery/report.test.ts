import assert from "node:assert/strict";
import fc from "fast-check";
import { prepareReport } from "./report.ts";

const at = { now: new Date("2026-01-02T03:04:05Z"), random: 0 };
const base = { event_id: "00000000-0000-4000-8000-000000000001", service_name: "orders", error_message: "" };

Deno.test("a report is classified, grouped and planned", () => {
  const prepared = prepareReport({
    ...base,
    http_status: 429,
    error_message: "Too many requests",
    response_headers: { "Retry-After": "Fri, 02 Jan 2026 03:06:05 GMT" },
  }, at);
  assert.equal(prepared.category, "rate_limit");
  assert.deepEqual([prepared.plan.step, prepared.plan.delay_seconds], ["wait", 120]);
  assert.match(prepared.fingerprint, /^[0-9a-f]{16}$/);
  assert.deepEqual([prepared.user_id, prepared.request, prepared.retry_count], [null, null, 0]);
});

Deno.test("secrets that the caller missed are hidden everywhere before anything else happens", () => {
  const prepared = prepareReport({
    ...base,
    error_code: "token=canary-9f8e7d6c5b",
    error_message: "refused: Authorization: Bearer canary-9f8e7d6c5b",
    endpoint: "https://api.test/?api_key=canary-9f8e7d6c5b",
    payload: { nested: { password: "canary-9f8e7d6c5b" } },
    response_body: { access_token: "canary-9f8e7d6c5b" },
    request: { method: "POST", url: "https://api.test/", body: '{"secret":"canary-9f8e7d6c5b"}' },
  }, at);
  assert.ok(!JSON.stringify(prepared).includes("canary"), JSON.stringify(prepared));
  assert.equal(prepared.request, null);
});

Deno.test("equal failures with different values have one fingerprint, also when they have no text", () => {
  const id = (report: object) => prepareReport({ ...base, ...report }, at).fingerprint;
  assert.equal(id({ error_message: "order 17 not found" }), id({ error_message: "order 4711 not found" }));
  assert.equal(id({ http_status: 503 }), id({ http_status: 503 }));
  assert.notEqual(id({ error_code: "E_A" }), id({ error_code: "X_B" }));
});

Deno.test("a call that the circuit breaker held back is marked as no failure of the provider", () => {
  const prepared = prepareReport({ ...base, error_code: "circuit_open", error_message: "held back" }, at);
  assert.deepEqual([prepared.hold, prepared.category, prepared.plan.step], [true, "network", "recover"]);
  assert.equal(prepareReport({ ...base, error_code: "ECONNRESET" }, at).hold, undefined);
});

Deno.test("any report can be prepared, and the stored text is bounded", () => {
  const anything = fc.record({
    http_status: fc.option(fc.integer()),
    error_code: fc.option(fc.string()),
    error_message: fc.oneof(fc.string(), fc.constant("a=".repeat(32_000))),
    payload: fc.anything(),
    response_body: fc.anything(),
  });
  fc.assert(fc.property(anything, (report) => {
    const prepared = prepareReport({ ...base, ...report }, at);
    assert.ok(prepared.error_message.length <= 4_000);
    assert.ok(prepared.confidence >= 0 && prepared.confidence <= 1);
  }));
});
