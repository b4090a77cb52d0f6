/** Which functions safe mode closes, with the real functions on a real stack. */
import { deepEqual, equal } from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { callFunction } from "../../../../scripts/testing/call-function.ts";
import { startReceiver } from "../../../../scripts/demo/receiver.ts";
import { testStack } from "../../../../scripts/testing/stack.ts";

type Call = [method: string, path: string, body?: unknown];

/** What would change something by each function, or send something that is not about the platform's own health. */
const closed: Record<string, Call[]> = {
  rules: [
    ["POST", "/rules", {
      ...{ id: "a", name: "A", condition: { field: "a", operator: "exists" } },
      action: { type: "anchor", eventHash: "{{event}}" },
    }],
    ["PUT", "/rules/a", {
      ...{ id: "a", name: "A", version: 1, condition: { field: "a", operator: "exists" } },
      action: { type: "anchor", eventHash: "{{event}}" },
    }],
    ["POST", "/rules/a/activate"],
    ["POST", "/rules/a/pause"],
    ["POST", "/rules/a/archive"],
    ["POST", "/rules/a/rollback", { version: 1 }],
    ["POST", "/rules/evaluate", { event: {} }],
    ["POST", "/rules/validate", { condition: { field: "a", operator: "exists" } }],
    ["POST", "/rules/backtest", { ruleId: "a", days: 1 }],
  ],
  "slack-alert": [["POST", "/slack-alert", { message: "hello" }]],
  "teams-alert": [["POST", "/teams-alert", { message: "hello" }]],
  "stripe-webhook": [["POST", "/stripe-webhook", { id: "evt_1" }]],
  plugins: [["POST", "/plugins", { pluginId: "p", eventType: "e", payload: {}, runId: "r" }]],
};

/** What keeps account of what happens, tells people, or is the way out. */
const open: Record<string, Call[]> = {
  "integration-self-heal": [["POST", "/integration-self-heal", { mode: "scan" }]],
  dispatch: [["POST", "/dispatch", {}]],
  "publish-checkpoints": [["POST", "/publish-checkpoints", {}]],
  "run-rules": [["POST", "/run-rules", {}]],
  "system-mode": [
    ["GET", "/system-mode"],
    ["POST", "/system-mode/safe", { reason: "once more", enabledBy: "ops@example.com" }],
  ],
  "system-health": [["GET", "/system-health"]],
  incidents: [["GET", "/incidents"]],
  invariants: [["GET", "/invariants/status"], ["POST", "/invariants/run", {}]],
  cron: [["GET", "/cron/status"], ["POST", "/cron/watch"]],
};

const receiver = await startReceiver();
const stack = await testStack({
  ...{ EGRESS_PRIVATE_HOSTS: receiver.host, STRIPE_WEBHOOK_SECRET: "whsec_test" },
  ...{ SLACK_WEBHOOK_URL: receiver.slackUrl, MICROSOFT_TEAMS_WEBHOOK_URL: receiver.teamsUrl },
});
Deno.test.afterAll(async () => {
  await stack.stop();
  await receiver.stop();
});
// People are told of the mode itself; only what functions send is looked at.
await stack.sql`update notification_channels set enabled = false`;
await stack.sql`select enter_safe_mode('a test', 'ops@example.com', 'key:test')`;

Deno.test("of every function it is known what safe mode does to it", async () => {
  const folders = await readdir(new URL("../../", import.meta.url), { withFileTypes: true });
  const functions = folders.filter((folder) => folder.isDirectory() && /^[a-z]/.test(folder.name)).map((
    { name },
  ) => name);
  deepEqual(
    functions.filter((name) => name !== "node_modules").sort(),
    Object.keys({ ...closed, ...open }).sort(),
  );
});

for (const [name, calls] of Object.entries(closed)) {
  Deno.test(`${name} is closed in safe mode`, async () => {
    for (const [method, path, body] of calls) {
      const answer = await callFunction(stack, method, path, body);
      deepEqual([answer.status, answer.body.error.code], [503, "safe_mode.active"], `${method} ${path}`);
      equal(answer.headers.get("retry-after"), "60");
    }
  });
}

for (const [name, calls] of Object.entries(open)) {
  Deno.test(`${name} is open in safe mode`, async () => {
    for (const [method, path, body] of calls) {
      const { status, body: answer } = await callFunction(stack, method, path, body);
      equal(status, 200, `${method} ${path}: ${JSON.stringify(answer)}`);
    }
  });
}

Deno.test("reading stays open everywhere", async () => {
  for (const path of ["/rules", "/rules/schema"]) equal((await callFunction(stack, "GET", path)).status, 200);
});

Deno.test("nothing that was refused left a trace or reached anybody", async () => {
  equal((await stack.sql`select from rules`).length, 0);
  equal((await stack.sql`select from integration_events`).length, 0);
  deepEqual(receiver.received, []);
});

Deno.test("a database that cannot be asked for the mode is an error, and nothing is sent either", async () => {
  await stack.sql`update system_mode set mode = 'normal'`;
  const alert = () => callFunction(stack, "POST", "/slack-alert", { message: "hello" });
  equal((await alert()).status, 200);
  await stack.setEnv({ SUPABASE_URL: "http://127.0.0.1:9" });
  for (const [method, path, body] of Object.values(closed).flat()) {
    const answer = await callFunction(stack, method, path, body);
    deepEqual([answer.status, answer.body.error.code], [503, "database.unreachable"], `${method} ${path}`);
  }
  equal(receiver.attempts.length, 1);
});
