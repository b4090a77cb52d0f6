import assert from "node:assert/strict";
import fc from "fast-check";
import { validateCondition } from "./validate-condition.ts";

const exists = { field: "a", operator: "exists" };
const leaf = (operator: string, value?: unknown) => ({ field: "a", operator, value });
const group = (...conditions: unknown[]) => ({ conditions });

/** A condition inside so many groups. */
function inside(groups: number, condition: unknown = exists): unknown {
  for (let i = 0; i < groups; i++) condition = group(condition);
  return condition;
}

function nestedList(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

const known =
  "eq, ne, gt, lt, gte, lte, in, nin, contains, not_contains, matches, not_matches, exists or not_exists";

const refused: [what: string, condition: unknown, errors: string[]][] = [
  ["a missing value", leaf("gt"), ["Operator gt requires a value"]],
  ["a missing field", group({ operator: "eq", value: 1 }), ["Sub-condition 0: field required"]],
  ["a nested missing field", group(exists, group({ operator: "exists" })), [
    "Sub-condition 1: Sub-condition 0: field required",
  ]],
  ["several faults, in their order", group({ field: "", operator: "lt" }, {}), [
    "Sub-condition 0: field required",
    "Sub-condition 0: Operator lt requires a value",
    "Sub-condition 1: field required",
    "Sub-condition 1: operator required",
  ]],
  ["a field that is no text", { ...exists, field: 5 }, ["field must be a string, not a number"]],
  ["an unknown operator", leaf("equals", 1), [`Unknown operator "equals": use ${known}`]],
  ["an operator of every object's", leaf("toString", 1), [`Unknown operator "toString": use ${known}`]],
  ["an operator that is no text", { field: "a", operator: ["eq"], value: 1 }, [
    "operator must be a string, not a list",
  ]],
  ["comparing order with null", leaf("gte", null), ["Operator gte requires a number or a string, not null"]],
  ["comparing order with a list", leaf("lt", [1]), ["Operator lt requires a number or a string, not a list"]],
  ["in without a list", leaf("in", "a"), ["Operator in requires a list, not a string"]],
  ["in with an empty list", leaf("nin", []), ["Operator nin requires a list that is not empty"]],
  ["in with too long a list", leaf("in", Array(1_001).fill(1)), [
    "Operator in requires a list of at most 1000 values: use several conditions with logic or",
  ]],
  ["a pattern that is no text", leaf("matches", { source: "a" }), [
    "Operator matches requires a pattern, which is a string, not an object",
  ]],
  ["a pattern that is too long", leaf("matches", "a".repeat(513)), [
    "Operator matches requires a pattern of at most 512 characters",
  ]],
  ["a value for exists", leaf("exists", false), [
    "Operator exists takes no value: remove it, and use the opposite operator for the opposite",
  ]],
  ["a value nested too deep", leaf("eq", nestedList(21)), [
    "Operator eq requires a value of at most 20 levels of lists and objects",
  ]],
  ["a value that JSON does not have", leaf("eq", [1n]), [
    "Operator eq requires a value that JSON has, not a bigint",
  ]],
  ["a number that JSON does not have", leaf("gt", NaN), [
    "Operator gt requires a number or a string, not NaN",
  ]],
  ["unknown keys", { ...exists, "z\n": 1, opreator: 2 }, [
    'Unknown key "opreator": a condition has field, operator and value, or logic and conditions',
    'Unknown key "z\\n": a condition has field, operator and value, or logic and conditions',
  ]],
  ["a leaf that is a group, too", { ...leaf("gt"), conditions: [{ operator: "eq", value: 1 }] }, [
    "condition is a leaf and a group at once: move field, operator and value into conditions",
    "Operator gt requires a value",
    "Sub-condition 0: field required",
  ]],
  ["a group of nothing", { logic: "and", conditions: [] }, [
    "conditions required: an empty list decides nothing",
  ]],
  ["logic alone", { logic: "and" }, ["logic requires conditions"]],
  ["logic in a leaf", { ...exists, logic: "or" }, ["logic requires conditions"]],
  ["unknown logic", { logic: "xor", conditions: [exists] }, ['logic must be "and" or "or", not "xor"']],
  ["conditions that are no list", { conditions: exists }, ["conditions must be a list, not an object"]],
  ["an empty text for conditions", { conditions: "" }, ["conditions must be a list, not a string"]],
  ["an empty list for a field", { ...exists, field: [] }, ["field must be a string, not a list"]],
  ["a list", [exists], ["condition must be an object, not a list"]],
  ["nothing", undefined, ["condition must be an object, not undefined"]],
  ["null among conditions", group(null), ["Sub-condition 0: condition must be an object, not null"]],
  ["more than 20 levels", inside(20), [
    "Sub-condition 0: ".repeat(20) +
    "condition is nested deeper than 20 levels: join groups of the same logic",
  ]],
  ["what is nested far deeper", inside(400), [
    "Sub-condition 0: ".repeat(20) +
    "condition is nested deeper than 20 levels: join groups of the same logic",
  ]],
  ["more than 500 leaves and groups", group(...Array(500).fill(exists)), [
    "condition has more than 500 leaves and groups: make several rules of it",
  ]],
];

for (const [what, condition, errors] of refused) {
  Deno.test(`${what} is refused, and the error says where and what to do`, () => {
    assert.deepEqual(validateCondition(condition), { valid: false, errors });
  });
}

Deno.test("what is just within the limits is fine", () => {
  const within = [
    inside(19),
    group(...Array(499).fill(exists)),
    leaf("eq", nestedList(20)),
    leaf("in", Array(1_000).fill(null)),
    leaf("matches", "😀".repeat(512)),
    leaf("eq", null),
    leaf("exists", true),
    leaf("not_exists", null),
    { logic: "or", conditions: [leaf("gt", "a"), group(leaf("contains", ""))] },
  ];
  for (const condition of within) assert.deepEqual(validateCondition(condition), { valid: true, errors: [] });
});

const unusable: [pattern: string, why: RegExp][] = [
  ["(?=ahead)", /RE2, which has no look-around and no back-references: .*invalid or unsupported Perl syntax/],
  ["(?<!behind)", /invalid named capture/],
  ["(a)\\1", /invalid escape sequence: `\\1`/],
  ["(a", /missing closing \)/],
  ["*a", /missing argument to repetition operator/],
  ["a{1001}", /invalid repeat count/],
  ["(a{1,100}){10}b{900}", /requires a simpler pattern: this one repeats too much/],
  ["\\pX", /invalid character class range/],
];

for (const [pattern, why] of unusable) {
  Deno.test(`the pattern ${pattern} is refused, and the error says why`, () => {
    const { errors } = validateCondition(leaf("matches", pattern));
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, why);
  });
}

Deno.test("50 errors are listed, and the number of the others is told", () => {
  const listed = (count: number) =>
    validateCondition(group(...Array(count).fill({ ...exists, field: "" }))).errors;
  assert.equal(listed(50).at(-1), "Sub-condition 49: field required");
  assert.equal(listed(51).at(-1), "1 more error");
  assert.equal(listed(99).at(-1), "49 more errors");
  assert.equal(listed(99).length, 51);
});

Deno.test("a name in an error is cut after 50 characters", () => {
  for (const character of ["a", "😀"]) {
    const { errors } = validateCondition({ ...exists, [character.repeat(100_000)]: 1 });
    assert.ok(errors[0]!.startsWith(`Unknown key "${character.repeat(50)}": `));
  }
});

Deno.test("validation ends, without throwing, whatever it is given", () => {
  const cycle: { conditions: unknown[] } = { conditions: [] };
  cycle.conditions.push(cycle, cycle);
  const list: unknown[] = [];
  list.push(list, list);
  const absurd = [
    inside(100_000),
    cycle,
    leaf("eq", list),
    leaf("in", nestedList(100_000)),
    { conditions: Array(1_000_000) },
  ];
  for (const condition of absurd) assert.equal(validateCondition(condition).valid, false);
  fc.assert(
    fc.property(
      fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true }),
      (anything) => {
        for (
          const condition of [anything, group(anything), leaf("eq", anything), { ...exists, field: anything }]
        ) {
          const { valid, errors } = validateCondition(condition);
          assert.equal(valid, errors.length === 0);
        }
      },
    ),
  );
});
