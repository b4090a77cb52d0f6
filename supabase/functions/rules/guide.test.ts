/** The guide's own lines of code, as a project would copy them. */
import assert from "node:assert/strict";
import { type Rules, startRules } from "../../../scripts/testing/rules.ts";
import { createDatabase } from "../_shared/adapters/database.ts";
import { createRuleEngine, RuleEngine } from "../_shared/rules/engine.ts";
import { createPluginRegistry } from "../_shared/rules/plugins/registry.ts";
import { createPluginRuntime } from "../_shared/rules/plugins/runtime.ts";
import { createRuleStorage } from "../_shared/rules/storage.ts";

let rules: Rules;
let names: string[];

Deno.test.beforeAll(async () => {
  rules = await startRules();
  // As in a function, whose platform sets them.
  names = Object.keys(rules.stack.env).filter((name) => !Deno.env.has(name));
  for (const name of names) Deno.env.set(name, rules.stack.env[name]!);
});
Deno.test.afterAll(async () => {
  for (const name of names) Deno.env.delete(name);
  await rules.stop();
});

function buildEngine() {
  const { url, secrets } = rules.stack;
  const storage = createRuleStorage(createDatabase({ url, secretKey: secrets.secretKey }));
  const pluginRegistry = createPluginRegistry();
  const pluginRuntime = createPluginRuntime({
    ...{ projectUrl: url, internalToken: secrets.internalWebhookToken },
    egress: { send: () => Promise.reject(new Error("A dry run sends nothing")) },
  });

  const engine = createRuleEngine({
    storage,
    pluginRegistry,
    pluginRuntime,
  });
  return engine;
}

const rule = {
  id: "lane-latency-alert",
  name: "Lane Latency Alert",
  status: "active",
  priority: 100,
  condition: {
    logic: "and",
    conditions: [
      { field: "lane", operator: "eq", value: 1 },
      { field: "latencyMs", operator: "gt", value: 100 },
    ],
  },
  action: {
    type: "webhook",
    url: "https://alerts.example.com/webhook",
    payload: { alert: "High latency on Lane 1" },
  },
};
const event = { lane: 1, latencyMs: 140 };

Deno.test("an engine is created from storage, plugin registry and plugin runtime, and evaluates a rule as it was written", async () => {
  const engine = buildEngine();
  assert.ok(engine instanceof RuleEngine);
  const result = await engine.evaluateRule(rule, event);
  assert.deepEqual(Object.keys(result), [
    ...["matched", "ruleId", "ruleName", "executed", "actionResults", "duration"],
  ]);
  assert.deepEqual([result.matched, result.ruleId, result.ruleName], [true, rule.id, rule.name]);
  assert.match(result.actionResults[0]!.error!, /^rule\.not_saved: /);
  assert.equal((await engine.evaluateRule(rule, { lane: 2 })).matched, false);
  assert.deepEqual(await engine.evaluateAllRules(event), []);
});

Deno.test("a dry run shows the simulation that the guide shows", async () => {
  const engine = buildEngine();
  const result = await engine.evaluateRule(rule, event, true /* dryRun */);
  assert.deepEqual(result.actionResults, [{
    success: true,
    result: {
      simulated: true,
      url: "https://alerts.example.com/webhook",
      payload: { alert: "High latency on Lane 1" },
    },
    metadata: { action: "webhook", dryRun: true },
  }]);
});

Deno.test("a condition is validated in the guide's words", () => {
  const engine = buildEngine();
  const condition = { operator: "gt", field: "a", conditions: [{ operator: "eq", value: 1 }] };
  const validation = engine.validateCondition(condition);
  assert.equal(validation.valid, false);
  const words = ["Operator gt requires a value", "Sub-condition 0: field required"];
  assert.deepEqual(validation.errors.filter((error) => words.includes(error)), words);
});

Deno.test("what is no rule or no event is refused with what is wrong", async () => {
  const engine = buildEngine();
  const bad = { ...rule, condition: { field: "a", operator: "above", value: 1 } };
  await assert.rejects(engine.evaluateRule(bad, event, true), { code: "rule.invalid" });
  for (const nothing of [null, [], "text", { eventId: 5 }, { eventId: "audit_log:1" }]) {
    await assert.rejects(engine.evaluateRule(rule, nothing as never, true), { code: "event.invalid" });
  }
});
