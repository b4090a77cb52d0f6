import assert from "node:assert/strict";
import { callRoutes } from "../_shared/testing/call-routes.ts";
import { fakeDatabase } from "../_shared/testing/fake-database.ts";
import { systemModeRoutes } from "./routes.ts";

const entering = { reason: "manual intervention", enabledBy: "ops@example.com" };
const leaving = { overrideToken: "your-secret", disabledBy: "ops@example.com" };

Deno.test("what the caller claims is passed on beside who he is", async () => {
  const database = fakeDatabase({ enter_safe_mode: { mode: "safe" }, leave_safe_mode: { left: true } });
  const call = callRoutes(systemModeRoutes({ database }));
  assert.equal((await call("POST", "/system-mode/safe", entering)).status, 200);
  assert.equal((await call("DELETE", "/system-mode/safe", leaving)).status, 200);
  const claim = "ops@example.com";
  assert.deepEqual(database.calls, [
    ["enter_safe_mode", { p_reason: entering.reason, p_enabled_by: claim, p_actor: "key:ci" }],
    ["leave_safe_mode", { p_override_token: "your-secret", p_disabled_by: claim, p_actor: "key:ci" }],
  ]);
});

Deno.test("a refusal says why and how many attempts are left, and never repeats the token", async () => {
  for (
    const [code, expected] of Object.entries({
      ...{ "safe_mode.token_wrong": 403, "safe_mode.token_blocked": 403 },
      ...{ "safe_mode.token_missing": 403, "safe_mode.not_active": 409 },
    })
  ) {
    const refusal = { left: false, code, message: "Why, and what to do", attempts_left: 3 };
    const call = callRoutes(
      systemModeRoutes({ database: fakeDatabase({ leave_safe_mode: refusal }) }),
    );
    const { status, body } = await call("DELETE", "/system-mode/safe", leaving);
    assert.deepEqual([status, body.error.code, body.error.message, body.error.details], [
      ...[expected, code, "Why, and what to do", { attempts_left: 3 }],
    ]);
    assert.ok(!JSON.stringify(body).includes("your-secret"));
  }
});

Deno.test("a change of the mode without a reason, a name or a token is refused", async () => {
  const database = fakeDatabase();
  const call = callRoutes(systemModeRoutes({ database }));
  const without = (body: Record<string, unknown>, key: string) => ({ ...body, [key]: undefined });
  const bad = [
    ["POST", without(entering, "reason")],
    ["POST", { ...entering, reason: "  " }],
    ["POST", without(entering, "enabledBy")],
    ["POST", { ...entering, automatic: true }],
    ["POST", undefined],
    ["DELETE", without(leaving, "overrideToken")],
    ["DELETE", { ...leaving, overrideToken: "" }],
    ["DELETE", { ...leaving, overrideToken: 5 }],
    ["DELETE", without(leaving, "disabledBy")],
    ["DELETE", undefined],
  ] as const;
  for (const [method, body] of bad) {
    const answer = await call(method, "/system-mode/safe", body);
    assert.deepEqual([answer.status, answer.body.error.code], [422, "request.invalid"], JSON.stringify(body));
  }
  assert.deepEqual(database.calls, []);
});
