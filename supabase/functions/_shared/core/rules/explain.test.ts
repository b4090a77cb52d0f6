import assert from "node:assert/strict";
import fc from "fast-check";
import { condition as anyCondition } from "../../testing/random-conditions.ts";
import { explainCondition, type LeafTrace } from "./explain.ts";
import { operators } from "./operators.ts";
import { parsePath, readPath } from "./path.ts";
import { type Condition, type Operator, RuleError, type RuleEvent } from "./rule.ts";
import { and, or, type Truth } from "./truth.ts";
import { validateCondition } from "./validate-condition.ts";

const leaf = (field: string, operator: Operator, value?: unknown): Condition => ({ field, operator, value });
const event = {
  lane: 1,
  latencyMs: "120",
  text: "a".repeat(20_000),
  user: { name: "Ann", password: "hunter2" },
};

Deno.test("a trace says of every part what decided it", () => {
  const condition: Condition = {
    conditions: [
      leaf("lane", "eq", 1),
      leaf("latencyMs", "gt", 100),
      { logic: "or", conditions: [leaf("region", "eq", "eu"), leaf("lane", "gt", 5)] },
    ],
  };
  assert.deepEqual(explainCondition(condition, event), {
    result: "unknown",
    reason: "Sub-condition 1 is unknown, and none is false",
    logic: "and",
    conditions: [
      { result: "true", reason: "it holds", field: "lane", operator: "eq", value: 1, actual: 1 },
      {
        result: "unknown",
        reason: "wrong type: gt with a number decides nothing about a string",
        field: "latencyMs",
        operator: "gt",
        value: 100,
        actual: "120",
      },
      {
        result: "unknown",
        reason: "Sub-condition 0 is unknown, and none is true",
        logic: "or",
        conditions: [
          { result: "unknown", reason: "the field is missing", field: "region", operator: "eq", value: "eu" },
          { result: "false", reason: "it does not hold", field: "lane", operator: "gt", value: 5, actual: 1 },
        ],
      },
    ],
  });
});

const reasons: [condition: Condition, result: string, reason: string][] = [
  [leaf("region", "not_exists"), "true", "the field is missing"],
  [leaf("region", "exists"), "false", "the field is missing"],
  [leaf("text", "matches", "b"), "unknown", "the text is longer than 16384 characters"],
  [
    leaf("user", "not_contains", "b"),
    "unknown",
    "wrong type: not_contains with a string decides nothing about an object",
  ],
  [{ conditions: [leaf("lane", "eq", 1), leaf("lane", "eq", 2)] }, "false", "Sub-condition 1 is false"],
  [{ conditions: [leaf("lane", "eq", 1)] }, "true", "all are true"],
  [
    { logic: "or", conditions: [leaf("x", "eq", 1), leaf("lane", "eq", 1)] },
    "true",
    "Sub-condition 1 is true",
  ],
  [{ logic: "or", conditions: [leaf("lane", "eq", 2)] }, "false", "all are false"],
];

for (const [condition, result, reason] of reasons) {
  Deno.test(`${JSON.stringify(condition)} is ${result}: ${reason}`, () => {
    const trace = explainCondition(condition, event);
    assert.deepEqual([trace.result, trace.reason], [result, reason]);
  });
}

Deno.test("a trace shows at most 200 characters, and no secret", () => {
  const show = (
    field: string,
    value: unknown,
  ) => (explainCondition(leaf(field, "eq", value), event) as LeafTrace);
  assert.equal(show("text", "a").actual, "a".repeat(200) + "…");
  assert.equal(show("lane", "a".repeat(200)).value, "a".repeat(200));
  assert.equal(show("lane", "a".repeat(201)).value, "a".repeat(200) + "…");
  assert.equal(show("user.password", "hunter3").actual, "[redacted]");
  assert.equal(show("user.password", "hunter3").value, "[redacted]");
  assert.deepEqual(show("user", 1).actual, { name: "Ann", password: "[redacted]" });
  assert.equal(show("lane", Array(1_000).fill(1)).value, "[" + "1,".repeat(99) + "1…");
});

Deno.test("a trace comes to the result of the ten-line interpreter", () => {
  const evaluate = (condition: Condition, event: RuleEvent): Truth => {
    if ("conditions" in condition) {
      return (condition.logic === "or" ? or : and)(condition.conditions.map((part) => evaluate(part, event)));
    }
    return operators[condition.operator].compile(condition.value)(
      readPath(event, parsePath(condition.field)),
    );
  };
  const a = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.record({ b: fc.jsonValue({ maxDepth: 1 }) }));
  fc.assert(fc.property(anyCondition, fc.record({ a }, { requiredKeys: [] }), (condition, event) => {
    fc.pre(validateCondition(condition).valid);
    const truth = evaluate(condition as Condition, event);
    assert.equal(
      explainCondition(condition as Condition, event).result,
      truth === undefined ? "unknown" : `${truth}`,
    );
  }));
});

Deno.test("an unusable condition is refused with its errors", () => {
  assert.throws(
    () => explainCondition({ conditions: [] }, event),
    (error) => error instanceof RuleError && error.code === "rule.invalid" && error.errors.length === 1,
  );
});
