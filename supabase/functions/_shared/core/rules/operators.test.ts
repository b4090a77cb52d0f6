import assert from "node:assert/strict";
import fc from "fast-check";
import { actuals, truths } from "./operator-truths.ts";
import { MAX_MATCHED_TEXT, operators } from "./operators.ts";
import type { Operator } from "./rule.ts";
import { not, type Truth } from "./truth.ts";

const names = Object.keys(operators) as Operator[];
const letter = (truth: Truth) => truth === undefined ? "?" : truth ? "T" : "F";

for (const name of names) {
  Deno.test(`${name} decides about every type as the table says`, () => {
    const rows = truths.filter(([operator]) => operator === name);
    assert.ok(rows.length > 0);
    for (const [operator, value, expected] of rows) {
      const compare = operators[operator].compile(value);
      const row = actuals.map((actual) => letter(compare(actual))).join(" ");
      assert.equal(row, expected, `${operator} ${JSON.stringify(value)}`);
    }
  });
}

const mirrors: [Operator, Operator][] = [
  ["eq", "ne"],
  ["in", "nin"],
  ["contains", "not_contains"],
  ["matches", "not_matches"],
  ["exists", "not_exists"],
];
const json = fc.jsonValue({ maxDepth: 3 });
const element = fc.oneof(fc.constantFrom(...actuals.slice(1)), json);
const values: Partial<Record<Operator, fc.Arbitrary<unknown>>> = {
  in: fc.array(element, { minLength: 1, maxLength: 5 }),
  matches: fc.stringMatching(/^[ab.]{0,3}$/),
  exists: fc.constant(undefined),
};

for (const [name, opposite] of mirrors) {
  Deno.test(`${opposite} is true where ${name} is false, and unknown where that is`, () => {
    fc.assert(
      fc.property(values[name] ?? element, fc.option(element, { nil: undefined }), (value, actual) => {
        assert.equal(operators[opposite].compile(value)(actual), not(operators[name].compile(value)(actual)));
      }),
    );
  });
}

Deno.test("every value equals its own copy, with its keys in any order, and nothing else", () => {
  const turned = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(turned)
      : typeof value === "object" && value
      ? Object.fromEntries(Object.entries(value).reverse().map(([key, part]) => [key, turned(part)]))
      : value;
  const sorted = (value: unknown) =>
    JSON.stringify(
      value,
      (_key, part) =>
        Array.isArray(part) || typeof part !== "object" || !part ? part : Object.fromEntries(
          Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1),
        ),
    );
  fc.assert(fc.property(element, element, (a, b) => {
    assert.equal(operators.eq.compile(a)(turned(a)), true);
    assert.equal(operators.eq.compile(a)(b), sorted(a) === sorted(b));
  }));
});

Deno.test("in is an or of eq", () => {
  fc.assert(fc.property(fc.array(element, { minLength: 1, maxLength: 5 }), element, (list, actual) => {
    assert.equal(
      operators.in.compile(list)(actual),
      list.some((value) => operators.eq.compile(value)(actual)),
    );
  }));
});

Deno.test("objects are compared by their own keys", () => {
  const withKey = JSON.parse('{"__proto__": 1}');
  assert.equal(operators.eq.compile({ a: 1 })(withKey), false);
  assert.equal(operators.eq.compile(withKey)({ a: 1 }), false);
  assert.equal(operators.eq.compile(withKey)(JSON.parse('{"__proto__": 1}')), true);
  assert.equal(operators.eq.compile(JSON.parse('{"__proto__": {}}'))({ a: 1 }), false);
  assert.equal(operators.eq.compile({})([]), false);
  assert.equal(operators.eq.compile([])({ length: 0 }), false);
});

Deno.test("texts are ordered by UTF-16 units, as JavaScript orders them", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\ue000", "😀") });
  fc.assert(fc.property(text, text, (a, b) => {
    assert.equal(operators.lt.compile(b)(a), a < b);
    assert.equal(operators.gte.compile(b)(a), a >= b);
  }));
});

Deno.test("whether a pattern matches a text beyond the limit is unknown", () => {
  const longest = "a".repeat(MAX_MATCHED_TEXT);
  assert.equal(operators.matches.compile("a$")(longest), true);
  assert.equal(operators.matches.compile("a$")(longest + "a"), undefined);
  assert.equal(operators.not_matches.compile("a$")(longest + "a"), undefined);
});

Deno.test("numbers that JSON does not have crash nothing", () => {
  for (const name of names) {
    const value = name === "in" || name === "nin" ? [1] : name.endsWith("matches") ? "1" : 1;
    for (const actual of [NaN, Infinity, -0, 1n, Symbol("a"), () => {}]) {
      operators[name].compile(value)(actual);
    }
  }
  assert.equal(operators.eq.compile(0)(-0), true);
  assert.equal(operators.in.compile([0])(-0), true);
});
