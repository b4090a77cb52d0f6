/** Who may do what with the functions of the integrity core: viewers read, operators act, on everything real. */
import assert from "node:assert/strict";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { callFunction } from "../../../scripts/testing/call-function.ts";
import { signIn } from "../../../scripts/testing/sign-in.ts";
import { testStack } from "../../../scripts/testing/stack.ts";

let stack: Stack;
Deno.test.beforeAll(async () => {
  stack = await testStack();
});
Deno.test.afterAll(() => stack.stop());

const reading = [
  ...[
    "/system-health",
    "/incidents",
    "/incidents/999999",
    "/invariants/status",
    "/cron/status",
    "/system-mode",
  ],
].map((path) => ["GET", path] as const);
const acting = [
  ...["/incidents/999999/acknowledge", "/incidents/999999/resolve", "/invariants/run", "/cron/watch"],
].map((path) => ["POST", path] as const);

/** Whether each request was let in, in order; an incident that does not exist is 404 to whoever is. */
async function allowed(requests: (readonly [string, string])[], headers: Record<string, string>) {
  const answers = [];
  for (const [method, path] of requests) {
    const { status } = await callFunction(stack, method, path, method === "POST" ? {} : undefined, headers);
    answers.push(status === 200 || status === 404 ? "yes" : status);
  }
  return [...new Set(answers)];
}

Deno.test("a viewer reads, an operator also acts, and nobody else does anything", async () => {
  const all = [...reading, ...acting];
  assert.deepEqual(await allowed(all, {}), [401]);
  assert.deepEqual(await allowed(all, { apikey: stack.secrets.publishableKey }), [401]);
  assert.deepEqual(await allowed(all, (await signIn(stack)).headers), [403]);
  const viewer = (await signIn(stack, "viewer")).headers;
  assert.deepEqual([await allowed(reading, viewer), await allowed(acting, viewer)], [["yes"], [403]]);
  const operator = (await signIn(stack, "operator")).headers;
  assert.deepEqual(await allowed(all, operator), ["yes"]);
  assert.deepEqual(await allowed(all, { apikey: stack.secrets.secretKey }), ["yes"]);
});

Deno.test("the internal token watches timers, and is taken nowhere else", async () => {
  const internal = { "x-internal-token": stack.secrets.internalWebhookToken };
  const all = [...reading, ...acting];
  const timers = all.filter(([, path]) => path.startsWith("/cron/"));
  const others = all.filter(([, path]) => !path.startsWith("/cron/"));
  assert.deepEqual([await allowed(timers, internal), await allowed(others, internal)], [["yes"], [401]]);
});

Deno.test("the health report says how healthy the project is, and what is not known", async () => {
  const { body } = await callFunction(stack, "GET", "/system-health");
  assert.deepEqual([body.safeMode, "score" in body, "grade" in body], [false, true, true]);
  const components: Record<string, { max: number }> = body.components;
  const most = Object.fromEntries(Object.entries(components).map(([name, { max }]) => [name, max]));
  assert.deepEqual(most, {
    ...{ integrity: 30, error_rate: 20, latency: 15, incidents: 20, backup: 10, migrations: 5 },
  });
  const { state, points } = body.components.migrations;
  assert.deepEqual([state, points], ["known", 5]);
  assert.equal(body.components.backup.state, "unknown");
});
