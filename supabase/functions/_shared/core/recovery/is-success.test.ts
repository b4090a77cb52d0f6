import assert from "node:assert/strict";
import fc from "fast-check";
import { isSuccess } from "./is-success.ts";

const answer = (body: unknown, status = 200) => ({
  status,
  body: typeof body === "string" ? body : JSON.stringify(body),
});

Deno.test("a 2xx answer is a success, with or without a body that can be read", () => {
  const bodies = [
    "",
    "ok",
    "1",
    "null",
    "[]",
    "{not json",
    "<html></html>",
    { ok: true },
    { id: 1, error: null, errors: [] },
    { error: "" },
    { error: {} },
    { error: false },
    { status: "queued", message: "retry later failed twice" },
    { success: true, errors: null },
    { errors: true, items: [] },
    { id: "po_1", object: "payout", status: "failed" },
    { id: 7, status: "error", log: [] },
  ];
  for (const body of bodies) assert.equal(isSuccess(answer(body)), true, JSON.stringify(body));
  assert.equal(isSuccess(answer("", 204)), true);
});

Deno.test("a 2xx answer that says it failed is no success", () => {
  const bodies = [
    { ok: false, error: "channel_not_found" },
    { ok: false, error_code: 429, parameters: { retry_after: 3 } },
    { data: null, errors: [{ message: "rate limited", extensions: { code: "THROTTLED" } }] },
    { success: false, message: "no" },
    { success: "false" },
    { error: "invalid_grant" },
    { error: { code: 7 } },
    { error: true },
    { status: "error" },
    { status: "FAILED" },
    '<?xml version="1.0"?><soap:Envelope><soap:Body><soap:Fault><faultcode>x</faultcode></soap:Fault>',
  ];
  for (const body of bodies) assert.equal(isSuccess(answer(body)), false, JSON.stringify(body));
});

Deno.test("no other status is a success, whatever the body says", () => {
  for (const status of [0, 100, 199, 300, 302, 304, 400, 401, 429, 500, 503, 999]) {
    assert.equal(isSuccess(answer({ ok: true }, status)), false, String(status));
  }
});

Deno.test("it answers for any body", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), fc.integer(), (body, status) => {
    assert.equal(typeof isSuccess({ status, body }), "boolean");
  }));
});
