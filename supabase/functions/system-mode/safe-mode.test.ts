/** Safe mode by HTTP, with everything real: who enters it, what it closes, and how it is left. */
import assert from "node:assert/strict";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { callFunction, type FunctionAnswer } from "../../../scripts/testing/call-function.ts";
import { signIn } from "../../../scripts/testing/sign-in.ts";
import { testStack } from "../../../scripts/testing/stack.ts";

let stack: Stack;
const log: string[] = [];
Deno.test.beforeAll(async () => {
  stack = await testStack({}, { log: (line) => void log.push(line) });
});
Deno.test.afterAll(() => stack.stop());
Deno.test.beforeEach(async () => {
  await stack.sql`update system_mode set mode = 'normal', override_token = null`;
});

const entering = { reason: "manual intervention", enabledBy: "ops@example.com" };

function enter(headers?: Record<string, string>): Promise<FunctionAnswer> {
  return callFunction(stack, "POST", "/system-mode/safe", entering, headers);
}

function leave(overrideToken: string, headers?: Record<string, string>): Promise<FunctionAnswer> {
  const leaving = { overrideToken, disabledBy: "ops@example.com" };
  return callFunction(stack, "DELETE", "/system-mode/safe", leaving, headers);
}

async function setToken(token: string): Promise<void> {
  await stack.sql`update system_mode set override_token = ${token} where id = 1`;
}

async function isSafe(): Promise<boolean> {
  return (await callFunction(stack, "GET", "/system-mode")).body.safeMode;
}

/** Runs a command line of the guide, with this stack's address in it and a secret key added. */
async function curl(line: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const script = line.replace("curl", `curl -sS -w '\\n%{http_code}' -H "apikey: $KEY"`)
    .replace("https://api", "$URL/functions/v1");
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: ["-ec", script],
    env: { URL: stack.url, KEY: stack.secrets.secretKey },
  }).output();
  const [body, status] = new TextDecoder().decode(stdout).split("\n");
  assert.ok(status, new TextDecoder().decode(stderr));
  return { status: Number(status), body: JSON.parse(body!) };
}

Deno.test("the guide's own lines enter safe mode, set the token and leave it", async () => {
  const entered = await curl(`curl -X POST https://api/system-mode/safe \\
  -H 'Content-Type: application/json' \\
  -d '{"reason":"manual intervention","enabledBy":"ops@example.com"}'`);
  assert.equal(entered.status, 200);
  const { mode, safeMode, reason, changed_by, automatic, changed } = entered.body;
  assert.deepEqual({ mode, safeMode, reason, automatic, changed }, {
    ...{ mode: "safe", safeMode: true, reason: "manual intervention", automatic: false, changed: true },
  });
  assert.match(String(changed_by), /ops@example\.com/);
  assert.ok(await isSafe());

  await stack.sql.unsafe("UPDATE system_mode SET override_token = 'your-secret' WHERE id = 1");

  const left = await curl(`curl -X DELETE https://api/system-mode/safe \\
  -H 'Content-Type: application/json' \\
  -d '{"overrideToken":"your-secret","disabledBy":"ops@example.com"}'`);
  assert.deepEqual([left.status, left.body.left, left.body.mode], [200, true, "normal"]);
  assert.equal(await isSafe(), false);
});

Deno.test("what people need stays open in safe mode, all other writes are 503 until it is left", async () => {
  await enter();
  const stillOpen: [string, string, unknown?][] = [
    ["GET", "/system-health"],
    ["GET", "/system-mode"],
    ["POST", "/system-mode/safe", entering],
    ["GET", "/incidents"],
    ["GET", "/invariants/status"],
    ["POST", "/invariants/run", {}],
    ["GET", "/cron/status"],
    ["POST", "/cron/watch"],
    ["POST", "/integration-self-heal", { mode: "scan" }],
    ["GET", "/rules"],
  ];
  for (const [method, path, body] of stillOpen) {
    const answer = await callFunction(stack, method, path, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  }
  const unknown = await callFunction(stack, "POST", "/incidents/999999/acknowledge");
  assert.deepEqual([unknown.status, unknown.body.error.code], [404, "incident.unknown"]);

  const rule = {
    ...{ id: "alert", name: "Alert", condition: { field: "a", operator: "exists" } },
    action: { type: "anchor", eventHash: "{{event}}" },
  };
  const closed = await callFunction(stack, "POST", "/rules", rule);
  assert.deepEqual([closed.status, closed.body.error.code], [503, "safe_mode.active"]);
  assert.equal(closed.headers.get("retry-after"), "60");

  await setToken("any token");
  assert.equal((await leave("any token")).status, 200);
  assert.equal((await callFunction(stack, "POST", "/rules", rule)).status, 201);
});

Deno.test("a wrong token is refused and counted, and after five none is taken until a new one is set", async () => {
  await enter();
  const missing = await leave("anything");
  assert.deepEqual([missing.status, missing.body.error.code], [403, "safe_mode.token_missing"]);
  await setToken("right token");
  for (const left of [4, 3, 2, 1, 0]) {
    const { status, body: { error } } = await leave("wrong token");
    assert.deepEqual([status, error.code, error.details], [403, "safe_mode.token_wrong", {
      attempts_left: left,
    }]);
  }
  const blocked = await leave("right token");
  assert.deepEqual([blocked.status, blocked.body.error.code], [403, "safe_mode.token_blocked"]);
  assert.ok(await isSafe());
  await setToken("canary-token");
  assert.equal((await leave("canary-token")).status, 200);

  await enter();
  assert.equal((await leave("canary-token")).body.error.code, "safe_mode.token_missing");
  const stored = await stack.sql`
    select (select jsonb_agg(m) from system_mode m)::text || (select jsonb_agg(a) from audit_log a)::text ||
      coalesce((select jsonb_agg(o) from outbox o)::text, '') as text`;
  assert.ok(!stored[0]!.text.includes("canary-token"));
  assert.ok(!log.join().includes("canary-token"));
});

Deno.test("what is not safe cannot be left", async () => {
  await setToken("right token");
  const { status, body } = await leave("right token");
  assert.deepEqual([status, body.error.code], [409, "safe_mode.not_active"]);
});

Deno.test("only an admiral changes the mode, and the log says who he is beside what he claims", async () => {
  const headersOf = async (role?: "viewer" | "operator" | "admiral") => (await signIn(stack, role)).headers;
  for (const headers of [await headersOf(), await headersOf("viewer"), await headersOf("operator")]) {
    assert.deepEqual([(await enter(headers)).status, (await leave("x", headers)).status], [403, 403]);
  }
  const strangers: Record<string, string>[] = [
    {},
    { apikey: stack.secrets.publishableKey },
    // A rule's webhook brings it: whoever saves rules would change the mode in the name of the system.
    { "x-internal-token": stack.secrets.internalWebhookToken },
  ];
  for (const headers of strangers) {
    assert.deepEqual([(await enter(headers)).status, (await leave("x", headers)).status], [401, 401]);
  }
  assert.equal(await isSafe(), false);

  const admiral = await signIn(stack, "admiral");
  assert.equal((await enter(admiral.headers)).status, 200);
  const [entry] = await stack.sql`
    select actor, payload::text from audit_log where subsystem = 'system-mode' order by immutable_seq desc limit 1`;
  assert.equal(entry!.actor, `user:${admiral.id}`);
  assert.match(entry!.payload, /ops@example\.com/);
});
