/** Rules by the function `rules`: who may do what, how they are saved and changed, and what is refused. */
import assert from "node:assert/strict";
import { type Rules, startRules } from "../../../scripts/testing/rules.ts";

let rules: Rules;
Deno.test.beforeAll(async () => {
  rules = await startRules();
});
Deno.test.afterAll(() => rules.stop());

const newRule = (changes: Record<string, unknown> = {}) => ({
  id: `rule-${crypto.randomUUID()}`,
  name: "High latency",
  condition: { field: "latencyMs", operator: "gt", value: 100 },
  action: { type: "anchor", eventHash: "{{event}}" },
  ...changes,
});

Deno.test("a rule is created, read, listed and changed, and every version says who changed what", async () => {
  const person = await rules.signIn("operator");
  const rule = newRule();
  const created = await rules.call("POST", "", rule);
  assert.equal(created.status, 201);
  const { createdAt, updatedAt, ...stored } = created.body;
  assert.ok(Date.parse(createdAt) && Date.parse(updatedAt));
  assert.deepEqual(stored, {
    ...rule,
    ...{ status: "active", priority: 0, mode: "all", cooldownSeconds: 0, maxFiresPerHour: 1000 },
    ...{ version: 1, updatedBy: "key:default" },
  });
  assert.deepEqual(await rules.call("GET", `/${rule.id}`), { status: 200, body: created.body });
  const list = await rules.call("GET", "");
  assert.ok(list.body.rules.some(({ id }: { id: string }) => id === rule.id));

  const changed = { ...created.body, name: "Very high latency", priority: 7 };
  const put = await rules.call("PUT", `/${rule.id}`, changed, person.headers);
  assert.deepEqual([put.status, put.body.name, put.body.version, put.body.updatedBy], [
    ...[200, "Very high latency", 2, `user:${person.id}`],
  ]);
  const { body } = await rules.call("GET", `/${rule.id}/versions`);
  const shown = (
    version: Record<string, unknown>,
  ) => [version.version, version.change, version.changedBy, version.name];
  assert.deepEqual(body.versions.map(shown), [
    [2, "changed", `user:${person.id}`, "Very high latency"],
    [1, "created", "key:default", "High latency"],
  ]);
});

Deno.test("of two people who change the same version, the second one is told", async () => {
  const { body: rule } = await rules.call("POST", "", newRule());
  assert.equal((await rules.call("PUT", `/${rule.id}`, { ...rule, name: "first" })).status, 200);
  const second = await rules.call("PUT", `/${rule.id}`, { ...rule, name: "second" });
  assert.deepEqual([second.status, second.body.error.code], [409, "rule.changed"]);
  assert.equal((await rules.call("GET", `/${rule.id}`)).body.name, "first");
});

Deno.test("a paused rule stays paused when it is changed without a word about its status", async () => {
  const { body: rule } = await rules.call("POST", "", newRule());
  const paused = await rules.call("POST", `/${rule.id}/pause`);
  assert.deepEqual([paused.status, paused.body.status], [200, "paused"]);
  const { status: _status, ...changes } = { ...paused.body, name: "changed" };
  assert.equal((await rules.call("PUT", `/${rule.id}`, changes)).body.status, "paused");
  assert.equal((await rules.call("POST", `/${rule.id}/activate`)).body.status, "active");
  assert.equal((await rules.call("POST", `/${rule.id}/archive`)).body.status, "archived");
});

Deno.test("a rule goes back to an earlier version, as a new one", async () => {
  const { body: rule } = await rules.call("POST", "", newRule());
  const action = { type: "anchor", eventHash: "{{event.id}}" };
  await rules.call("PUT", `/${rule.id}`, { ...rule, name: "worse", action });
  const back = await rules.call("POST", `/${rule.id}/rollback`, { version: 1 });
  assert.deepEqual([back.body.name, back.body.action, back.body.version], ["High latency", rule.action, 3]);
  const unknown = await rules.call("POST", `/${rule.id}/rollback`, { version: 9 });
  assert.deepEqual([unknown.status, unknown.body.error.code], [404, "rule.version_unknown"]);
});

Deno.test("a viewer reads and validates, an operator also changes, and nobody else does anything", async () => {
  const { body: rule } = await rules.call("POST", "", newRule());
  const reading: [string, string, unknown?][] = [
    ["GET", ""],
    ["GET", "/schema"],
    ["GET", `/${rule.id}`],
    ["GET", `/${rule.id}/versions`],
    ["POST", "/validate", { condition: rule.condition }],
  ];
  const acting: [string, string, unknown?][] = [
    ["POST", "", newRule()],
    ["PUT", `/${rule.id}`, rule],
    ["POST", `/${rule.id}/rollback`, { version: 1 }],
    ["POST", `/${rule.id}/pause`],
    ["POST", `/${rule.id}/activate`],
    ["POST", `/${rule.id}/archive`],
    ["POST", "/evaluate", { event: { latencyMs: 1 } }],
    ["POST", "/backtest", { ruleId: rule.id }],
  ];
  const statuses = async (requests: [string, string, unknown?][], headers: Record<string, string>) => {
    const answered = [];
    for (const [method, path, body] of requests) {
      answered.push((await rules.call(method, path, body, headers)).status);
    }
    return [...new Set(answered)];
  };
  const publishable: Record<string, string> = { apikey: rules.stack.secrets.publishableKey };
  const nobody = await rules.signIn();
  const viewer = await rules.signIn("viewer");
  const operator = await rules.signIn("operator");
  const all = [...reading, ...acting];
  assert.deepEqual(await statuses(all, {}), [401]);
  assert.deepEqual(await statuses(all, publishable), [401]);
  // A rule's webhook brings it: whoever saves rules would change them in the name of the system.
  const internal = { "x-internal-token": rules.stack.secrets.internalWebhookToken };
  assert.deepEqual(await statuses(all, internal), [401]);
  assert.deepEqual(await statuses(all, nobody.headers), [403]);
  assert.deepEqual(await statuses(reading, viewer.headers), [200]);
  assert.deepEqual(await statuses(acting, viewer.headers), [403]);
  assert.deepEqual(await statuses(reading, operator.headers), [200]);
  assert.deepEqual(await statuses(acting, operator.headers), [201, 200]);
});

/** What is wrong with a rule, and the error that says so. */
const refused: Record<string, [changes: Record<string, unknown>, error: RegExp]> = {
  "an unknown operator": [
    { condition: { field: "a", operator: "above", value: 1 } },
    /^condition: Unknown operator "above"/,
  ],
  "a missing value": [
    { condition: { conditions: [{ field: "a", operator: "gt" }] } },
    /^condition: Sub-condition 0: Operator gt requires a value$/,
  ],
  "a value of the wrong type": [
    { condition: { field: "a", operator: "in", value: "one" } },
    /^condition: Operator in requires/,
  ],
  "a condition that is too deep": [
    {
      condition: Array.from({ length: 20 }).reduce<unknown>((inner) => ({ conditions: [inner] }), {
        ...{ field: "a", operator: "exists" },
      }),
    },
    /nested deeper than 20 levels/,
  ],
  "a pattern that RE2 refuses": [
    { condition: { field: "a", operator: "matches", value: "(a)\\1" } },
    /^condition: Operator matches /,
  ],
  "a URL that points inside the network": [
    { action: { type: "webhook", url: "https://[::ffff:10.0.0.1]/", payload: {} } },
    /^action: /,
  ],
  "an allocation that does not sum up": [
    {
      action: {
        ...{ type: "ledger_allocate", ledgerEventId: "{{event.ledgerEventId}}" },
        allocations: [{ bucket: "a", share: 0.5 }, { bucket: "b", share: 0.4 }],
      },
    },
    /^action: .*0\.9/s,
  ],
  "a plugin that does not exist": [
    { action: { type: "plugin_emit", pluginId: "nobody", eventType: "x", payload: {} } },
    /^action: .*nobody/,
  ],
};

for (const [what, [changes, error]] of Object.entries(refused)) {
  Deno.test(`${what} is refused with where it is, and the rule is not saved`, async () => {
    const rule = newRule(changes);
    const { status, body } = await rules.call("POST", "", rule);
    assert.deepEqual([status, body.error.code], [422, "rule.invalid"]);
    assert.equal(body.error.details.length, 1);
    assert.match(body.error.details[0], error);
    assert.equal((await rules.call("GET", `/${rule.id}`)).status, 404);
    const validated = await rules.call("POST", "/validate", { rule });
    assert.deepEqual(validated.body, { valid: false, errors: body.error.details });
  });
}

Deno.test("a second rule with an id that is taken is refused", async () => {
  const rule = newRule();
  await rules.call("POST", "", rule);
  const { status, body } = await rules.call("POST", "", { ...rule, name: "another" });
  assert.deepEqual([status, body.error.code], [409, "rule.exists"]);
  assert.equal((await rules.call("GET", `/${rule.id}`)).body.name, rule.name);
});

Deno.test("a rule keeps its id, and is replaced only by who says which version he read", async () => {
  const { body: rule } = await rules.call("POST", "", newRule());
  const renamed = await rules.call("PUT", `/${rule.id}`, { ...rule, id: "another" });
  assert.deepEqual([renamed.status, renamed.body.error.code], [422, "request.invalid"]);
  const { version: _version, ...blind } = rule;
  const { body } = await rules.call("PUT", `/${rule.id}`, blind);
  assert.deepEqual(body.error.details, [{ path: "version", message: "give the version that you read" }]);
});

Deno.test("what does not exist is 404, and so is a path that means nothing", async () => {
  for (
    const [method, path, body] of [["GET", "/no-rule"], ["GET", "/no-rule/versions"], [
      "POST",
      "/no-rule/pause",
    ]]
  ) {
    const answer = await rules.call(method!, path!, body);
    assert.deepEqual([answer.status, answer.body.error.code], [404, "rule.unknown"], path);
  }
  const replaced = await rules.call("PUT", "/no-rule", newRule({ id: "no-rule", version: 1 }));
  assert.deepEqual([replaced.status, replaced.body.error.code], [404, "rule.unknown"]);
  assert.equal((await rules.call("POST", "/no-rule/explode")).body.error.code, "request.not_found");
  assert.equal((await rules.call("DELETE", "/no-rule")).status, 405);
});

Deno.test("a condition is validated in the words of the engine, and anything else in its shape", async () => {
  const condition = {
    logic: "and",
    conditions: [{ operator: "eq", value: 1 }, { field: "a", operator: "gt" }],
  };
  assert.deepEqual((await rules.call("POST", "/validate", { condition })).body, {
    valid: false,
    errors: ["Sub-condition 0: field required", "Sub-condition 1: Operator gt requires a value"],
  });
  assert.deepEqual((await rules.call("POST", "/validate", { rule: newRule() })).body, {
    valid: true,
    errors: [],
  });
  assert.equal(
    (await rules.call("POST", "/validate", { conditions: [] })).body.error.code,
    "request.invalid",
  );
});

Deno.test("the JSON Schema of rules is there for editors", async () => {
  const { status, body } = await rules.call("GET", "/schema");
  assert.deepEqual([status, body.$schema, body.required], [
    ...[200, "https://json-schema.org/draft/2020-12/schema", ["id", "name", "condition", "action"]],
  ]);
});
