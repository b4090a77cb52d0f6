import assert from "node:assert/strict";
import { Ajv2020 } from "ajv";
import examples from "../../../rules/examples.json" with { type: "json" };
import { RuleError } from "../core/rules/rule.ts";
import { actionContext } from "../testing/action-context.ts";
import { createPluginRegistry } from "./plugins/registry.ts";
import { actionsOf, parseRule, ruleJsonSchema, validateRule } from "./rule-schema.ts";

const { deps } = actionContext({ pluginRegistry: createPluginRegistry() });

const webhook = {
  type: "webhook",
  url: "https://alerts.example.com/webhook",
  payload: { alert: "{{event.lane}}" },
};
const condition = { field: "latencyMs", operator: "gt", value: 100 };
const rule = { id: "lane-latency-alert", name: "Lane Latency Alert", condition, action: webhook };

const errorsOf = (changed: Record<string, unknown>) => validateRule({ ...rule, ...changed }, deps).errors;

Deno.test("a rule needs an id, a name, a condition and an action, and has defaults for the rest", () => {
  assert.deepEqual(parseRule(rule, deps), {
    ...rule,
    ...{ status: "active", priority: 0, mode: "all", cooldownSeconds: 0, maxFiresPerHour: 1000 },
  });
});

Deno.test("a rule that was read from the API can be sent back", () => {
  const stored = {
    ...{
      ...rule,
      status: "paused",
      priority: 100,
      mode: "first_match",
      cooldownSeconds: 60,
      maxFiresPerHour: null,
    },
    ...{
      version: 3,
      createdAt: "2026-01-01T00:00:00Z",
      updatedAt: "2026-01-02T00:00:00Z",
      updatedBy: "key:ci",
    },
  };
  assert.deepEqual(parseRule(stored, deps), stored);
});

/** What is wrong with a rule, and what people are told. */
const badRules: Record<string, [changed: Record<string, unknown>, error: RegExp]> = {
  "an unknown operator": [
    { condition: { ...condition, operator: "above" } },
    /^condition: Unknown operator "above": use eq, .* or not_exists$/,
  ],
  "a missing value": [
    { condition: { logic: "or", conditions: [condition, { field: "a", operator: "gt" }] } },
    /^condition: Sub-condition 1: Operator gt requires a value$/,
  ],
  "a missing field": [
    { condition: { conditions: [{ operator: "gt", value: 1 }] } },
    /^condition: Sub-condition 0: field required$/,
  ],
  "a value of the wrong type": [
    { condition: { ...condition, value: true } },
    /^condition: Operator gt requires/,
  ],
  "a condition that is too deep": [
    {
      condition: Array.from({ length: 20 }).reduce<unknown>((inner) => ({ conditions: [inner] }), condition),
    },
    /^condition: (Sub-condition 0: )+condition is nested deeper than 20 levels/,
  ],
  "a pattern that RE2 refuses": [
    { condition: { field: "a", operator: "matches", value: "(?<=a)b" } },
    /^condition: Operator matches .*look/i,
  ],
  "a URL that points inside the network": [
    { action: { ...webhook, url: "http://169.254.169.254/latest/meta-data/" } },
    /^action: .*169\.254\.169\.254/,
  ],
  "an unknown type of action": [
    { action: [webhook, { type: "email" }] },
    /^action\.1: type must be one of anchor, webhook, plugin_emit, ledger_allocate$/,
  ],
  "an action with an unknown key": [{ action: { ...webhook, retries: 3 } }, /^action: .*"retries"/],
  "an allocation that does not sum up": [
    {
      action: {
        ...{ type: "ledger_allocate", ledgerEventId: "{{event.ledgerEventId}}" },
        allocations: [{ bucket: "artist", share: 0.7 }, { bucket: "platform", share: 0.2 }],
      },
    },
    /^action: .*share.*0\.9/s,
  ],
  "a plugin that does not exist": [
    { action: { type: "plugin_emit", pluginId: "no-plugin", eventType: "degrade", payload: {} } },
    /^action: .*no-plugin/,
  ],
  "an event type that the plugin does not handle": [
    { action: { type: "plugin_emit", pluginId: "quality-monitor", eventType: "explode", payload: {} } },
    /^action: .*explode/,
  ],
  "a placeholder that is none": [
    { action: { ...webhook, payload: { list: ["{{evnt.lane}}"] } } },
    /^action: payload\.list\.0: "\{\{evnt\.lane\}\}" is no template/,
  ],
  "a payload that is too large for any event": [
    { action: { ...webhook, payload: ["x".repeat(40_000), "y".repeat(40_000)] } },
    /^action: .* larger than 64 kB/,
  ],
  "no condition": [{ condition: undefined }, /^condition: /],
  "nothing to do": [{ action: undefined }, /^action: type must be one of/],
  "no action": [{ action: [] }, /^action: a rule has 1 to 10 actions, not 0$/],
  "too many actions": [{ action: Array(11).fill(webhook) }, /^action: a rule has 1 to 10 actions, not 11$/],
  "an id with a blank": [{ id: "my rule" }, /^id: must have 1 to 100 letters, digits or \._:-/],
  "no name": [{ name: "" }, /^name: /],
  "an unknown status": [{ status: "on" }, /^status: /],
  "a priority that is no integer": [{ priority: 1.5 }, /^priority: /],
  "a cooldown below zero": [{ cooldownSeconds: -1 }, /^cooldownSeconds: /],
  "a limit of no firing at all": [{ maxFiresPerHour: 0 }, /^maxFiresPerHour: /],
  "an unknown key": [{ cooldown: 5 }, /"cooldown"/],
};

for (const [what, [changed, error]] of Object.entries(badRules)) {
  Deno.test(`${what} is one error that says where it is`, () => {
    const errors = errorsOf(changed);
    assert.equal(errors.length, 1, errors.join("\n"));
    assert.match(errors[0]!, error);
  });
}

Deno.test("all that is wrong is told at once", () => {
  const errors = errorsOf({ name: 5, condition: {}, action: { type: "email" } });
  assert.deepEqual(errors.map((error) => error.split(":")[0]), ["name", "condition", "condition", "action"]);
});

Deno.test("whatever is not a rule is refused, and nothing makes the check throw", () => {
  const cyclic: Record<string, unknown> = { ...rule };
  cyclic.condition = { conditions: [cyclic.condition] };
  (cyclic.condition as { conditions: unknown[] }).conditions[0] = cyclic.condition;
  for (const value of [null, undefined, 5, "rule", [], [rule], {}, cyclic, { action: { payload: cyclic } }]) {
    const { valid, errors } = validateRule(value, deps);
    assert.ok(!valid && errors.length > 0, JSON.stringify(errors));
  }
});

Deno.test("who needs the rule gets an error with the list of what is wrong", () => {
  assert.throws(
    () => parseRule({ ...rule, condition: { operator: "gt", value: 1 } }, deps),
    (error) =>
      error instanceof RuleError && error.code === "rule.invalid" &&
      error.message.includes("field required") &&
      error.errors[0] === "condition: field required",
  );
});

Deno.test("one action and a list of one are the same", () => {
  assert.deepEqual(
    actionsOf(parseRule(rule, deps)),
    actionsOf(parseRule({ ...rule, action: [webhook] }, deps)),
  );
});

Deno.test("the JSON Schema describes conditions and each action, and asks for no defaults", () => {
  const text = JSON.stringify(ruleJsonSchema);
  for (const word of ["not_exists", "plugin_emit", "allocations", "eventHash", "first_match"]) {
    assert.ok(text.includes(`"${word}"`), word);
  }
  assert.deepEqual(ruleJsonSchema.required, ["id", "name", "condition", "action"]);
});

Deno.test("an independent validator agrees on examples, and on what is wrong with the shape of others", () => {
  const conforms = new Ajv2020({ strict: false }).compile(ruleJsonSchema);
  for (const example of [rule, ...examples.rules]) {
    assert.ok(conforms(example), JSON.stringify(conforms.errors));
    assert.deepEqual(validateRule(example, deps), { valid: true, errors: [] });
  }
  for (
    const what of [
      "an unknown operator",
      "a missing field",
      "no action",
      "too many actions",
      "an unknown key",
    ]
  ) {
    assert.ok(!conforms({ ...rule, ...badRules[what]![0] }), what);
  }
});
