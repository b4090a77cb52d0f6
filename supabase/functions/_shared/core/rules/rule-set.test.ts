import assert from "node:assert/strict";
import fc from "fast-check";
import { matchNaively } from "../../testing/naive-rules.ts";
import { operators } from "./operators.ts";
import { type Condition, type MatchableRule, type Operator, RuleError } from "./rule.ts";
import { compileRules } from "./rule-set.ts";

const rule = (id: string, condition: Condition, more: Partial<MatchableRule> = {}): MatchableRule => ({
  id,
  status: "active",
  priority: 0,
  condition,
  ...more,
});
const leaf = (field: string, operator: Operator, value?: unknown): Condition =>
  value === undefined ? { field, operator } : { field, operator, value };
const ids = (rules: MatchableRule[]) => rules.map(({ id }) => id);
/** Which of these conditions are true for an event; rules are named by their position. */
const trueOnes = (conditions: Condition[], event: unknown) =>
  ids(compileRules(conditions.map((condition, i) => rule(`${i}`, condition))).match(event)).map(Number);

// Few fields and few values, so that many things are equal and many rules match.
const scalar = fc.constantFrom<unknown>(
  0,
  -0,
  1,
  1,
  1,
  2,
  2,
  "a",
  "a",
  2.5,
  -1,
  "",
  "1",
  "a",
  "ab",
  "b",
  true,
  false,
  null,
);
const text = fc.string({ unit: fc.constantFrom("a", "b", "1"), maxLength: 4 });
const value = fc.oneof(
  { weight: 6, arbitrary: scalar },
  { weight: 2, arbitrary: text },
  { weight: 1, arbitrary: fc.array(fc.oneof(scalar, text), { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.dictionary(fc.constantFrom("x", "y", "__proto__"), scalar, { maxKeys: 2 }) },
);
const plainNames = ["a", "a", "b", "b", "c", "d", "e", "e.x", "e.y"];
const oddNames = ["e\\.x", "e.z", "a.0", "a[1]", "length", "constructor", "__proto__"];
const field = fc.constantFrom(...plainNames, ...oddNames);
const withValue = (names: Operator[], value: fc.Arbitrary<unknown>) =>
  fc.record({ field, operator: fc.constantFrom(...names), value });
const pattern = fc.constantFrom("a", "^b", "(a|b)$", "^[0-9]+$", "(?i)A", "");
const anyLeaf = fc.oneof(
  { weight: 6, arbitrary: withValue(["eq"], value) },
  { weight: 3, arbitrary: withValue(["in"], fc.array(value, { minLength: 1, maxLength: 4 })) },
  { weight: 4, arbitrary: withValue(["gt", "lt", "gte", "lte"], fc.constantFrom(-1, -0, 0, 1, 2, "a", "b")) },
  { weight: 2, arbitrary: withValue(["ne"], value) },
  { weight: 1, arbitrary: withValue(["nin"], fc.array(value, { minLength: 1, maxLength: 4 })) },
  { weight: 6, arbitrary: withValue(["contains"], fc.oneof({ weight: 3, arbitrary: text }, value)) },
  { weight: 1, arbitrary: withValue(["not_contains"], value) },
  { weight: 2, arbitrary: withValue(["matches", "not_matches"], pattern) },
  {
    weight: 2,
    arbitrary: fc.record({ field, operator: fc.constantFrom<Operator>("exists", "not_exists") }),
  },
) as fc.Arbitrary<Condition>;
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4, depthIdentifier: "condition" },
    anyLeaf,
    fc.record({
      logic: fc.constantFrom("and", "or"),
      conditions: fc.array(tie("condition"), { minLength: 1, maxLength: 4 }),
    }),
    fc.record({ conditions: fc.array(tie("condition"), { minLength: 2, maxLength: 3 }) }),
  ),
}));
const status = fc.constantFrom<MatchableRule["status"]>(
  "active",
  "active",
  "active",
  "active",
  "paused",
  "archived",
);
const rules = (count: number, modes: MatchableRule["mode"][]) =>
  fc.array(
    fc.record({
      condition,
      status,
      priority: fc.integer({ min: -1, max: 2 }),
      mode: fc.constantFrom(...modes),
    }),
    {
      minLength: count,
      maxLength: count,
      size: "max",
    },
  ).map((list) => list.map((each, i) => ({ ...each, id: `rule-${i}` })));
const manyRules = fc.oneof(rules(250, ["all"]), rules(250, [...Array(250).fill("all"), "first_match"]));
const event = fc.record(
  Object.fromEntries(["a", "b", "c", "d", "e", "e.x"].map((name) => [name, value])),
  { requiredKeys: ["a", "b"] },
) as fc.Arbitrary<Record<string, unknown>>;
const events = (count: number) => fc.array(event, { minLength: count, maxLength: count, size: "max" });
/** Shrinking hundreds of rules takes minutes: a failure tells of one event and of the rules that differ. */
const runs = <T>(numRuns: number): fc.Parameters<T> => ({
  numRuns,
  endOnFailure: true,
  reporter: ({ failed, seed, errorInstance }) => {
    if (failed) throw new Error(`Failed with seed ${seed}`, { cause: errorInstance });
  },
});
const shuffled = <T>(list: T[], seed: number) =>
  list.map((item, i) => ({ item, key: Math.sin(seed + i) })).sort((a, b) => a.key - b.key).map(({ item }) =>
    item
  );

Deno.test("of a million pairs of rules and events, those match that match when evaluated one by one", () => {
  let pairs = 0, matched = 0;
  fc.assert(
    fc.property(manyRules, events(250), (rules, events) => {
      const set = compileRules(rules);
      for (const event of events) {
        const expected = ids(matchNaively(rules, event));
        const actual = ids(set.match(event));
        if (actual.join() !== expected.join()) {
          const differing = rules.filter(({ id }) => actual.includes(id) !== expected.includes(id));
          assert.deepEqual(actual, expected, JSON.stringify({ event, differing }));
        }
        pairs += rules.length;
        matched += expected.length;
      }
    }),
    runs(16),
  );
  assert.equal(pairs, 1_000_000);
  assert.ok(matched > pairs / 30, `only ${matched} matched`);
});

Deno.test("neither order nor company nor what was compiled before changes what matches", () => {
  fc.assert(
    fc.property(manyRules, events(5), fc.integer(), (rules, events, seed) => {
      const set = compileRules(rules);
      const mixed = shuffled(rules, seed);
      const reloaded = compileRules(mixed, compileRules(mixed.slice(100)));
      const twice = compileRules([...mixed, ...rules.map((rule) => ({ ...rule, id: `${rule.id}-again` }))]);
      const alone = rules.map((rule) => compileRules([rule]));
      for (const event of events) {
        const expected = ids(set.match(event));
        assert.deepEqual(ids(reloaded.match(event)), expected);
        if (rules.some(({ mode }) => mode === "first_match")) continue;
        assert.deepEqual(ids(twice.match(event)).filter((id) => !id.endsWith("-again")), expected);
        assert.deepEqual(alone.flatMap((one) => ids(one.match(event))).sort(), expected.sort());
      }
    }),
    runs(10),
  );
});

Deno.test("rules come in order: the greater priority first, then by id", () => {
  const always = leaf("a", "eq", 1);
  const set = compileRules([
    rule("b", always),
    rule("late", always, { priority: -1 }),
    rule("a", always),
    rule("B", always),
    rule("first", always, { priority: 9 }),
  ]);
  assert.deepEqual(ids(set.match({ a: 1 })), ["first", "B", "a", "b", "late"]);
});

Deno.test("after a match of a first_match rule come no others, wherever they stand", () => {
  const set = compileRules([
    rule("third", leaf("a", "exists"), { priority: 1 }),
    rule("second", leaf("a", "eq", 1), { priority: 2, mode: "first_match" }),
    rule("first", leaf("a", "gt", 0), { priority: 3 }),
  ]);
  assert.deepEqual(ids(set.match({ a: 1 })), ["first", "second"]);
  assert.deepEqual(ids(set.match({ a: 2 })), ["first", "third"]);
});

Deno.test("paused and archived rules do not match", () => {
  const always = leaf("a", "exists");
  const set = compileRules([
    rule("active", always),
    rule("paused", always, { status: "paused" }),
    rule("archived", always, { status: "archived" }),
  ]);
  assert.deepEqual(ids(set.match({ a: 1 })), ["active"]);
});

Deno.test("1 is not the text 1, -0 is 0, null is a value, and NaN is equal to nothing", () => {
  const equals = [1, "1", 0, null, true, "", [1], { x: 1 }].map((value) => leaf("a", "eq", value));
  const many = [...equals, ...equals, ...equals];
  const found = (a: unknown) => trueOnes(many, { a }).filter((i) => i < equals.length);
  assert.deepEqual(found(1), [0]);
  assert.deepEqual(found("1"), [1]);
  assert.deepEqual(found(-0), [2]);
  assert.deepEqual(found(null), [3]);
  assert.deepEqual(found(true), [4]);
  assert.deepEqual(found(""), [5]);
  assert.deepEqual(found([1]), [6]);
  assert.deepEqual(found({ x: 1 }), [7]);
  assert.deepEqual(found(NaN), []);
  assert.deepEqual(trueOnes(many, {}), []);
});

Deno.test("a number meets exactly the limits it is beyond, however many there are", () => {
  const limits = Array.from({ length: 40 }, (_, i) => i % 10);
  for (const operator of ["gt", "gte", "lt", "lte"] as const) {
    const conditions = limits.map((limit) => leaf("a", operator, limit));
    for (const a of [-1, -0, 0, 4, 4.5, 9, 10, NaN, Infinity, "4", null, undefined, [5]]) {
      const expected = limits.flatMap((limit, i) => operators[operator].compile(limit)(a) ? [i] : []);
      assert.deepEqual(trueOnes(conditions, { a }).sort((x, y) => x - y), expected, `${operator} ${a}`);
    }
  }
});

Deno.test("a text or a list meets exactly the texts that it contains, however many there are", () => {
  const parts = [
    "",
    "a",
    "b",
    "ab",
    "ba",
    "aa",
    "aba",
    "bab",
    "abab",
    "aaa",
    "ß",
    "\u{1F600}",
    "a\u{1F600}",
    "zz",
  ];
  const set = compileRules([...parts, ...parts].map((part, i) => rule(`${i}`, leaf("a", "contains", part))));
  const texts = ["", "a", "abab", "baa", "xxaxx", "aaaa", "\u{1F600}", "ba\u{1F600}", "\uD83D", "ßab", "z"];
  for (const a of [...texts, texts, ["ab", "ab", 1, null, ["a"]], [], 5, null, { a: "a" }, undefined]) {
    const expected = [...parts, ...parts].flatMap((part, i) =>
      operators.contains.compile(part)(a) ? [i] : []
    );
    const actual = ids(set.match({ a })).map(Number);
    assert.deepEqual(actual.sort((x, y) => x - y), expected, JSON.stringify(a));
  }
});

Deno.test("lists of a thousand values match each of their values", () => {
  const list = (from: number) => Array.from({ length: 1_000 }, (_, i) => from + i);
  const conditions = Array.from({ length: 20 }, (_, i) => leaf("a", "in", list(i * 500)));
  assert.deepEqual(trueOnes(conditions, { a: 999 }), [0, 1]);
  assert.deepEqual(trueOnes(conditions, { a: "999" }), []);
});

Deno.test("names that every object inherits lead nowhere", () => {
  const inherited = ["__proto__", "constructor", "toString", "hasOwnProperty", "constructor.name"];
  const conditions = inherited.flatMap((
    name,
  ) => [leaf(name, "exists"), leaf(name, "ne", 1), leaf(name, "eq", "x")]);
  assert.deepEqual(trueOnes(conditions, {}), []);
  assert.deepEqual(trueOnes(conditions, { toString: "x" }), [6, 7, 8]);
  assert.deepEqual(trueOnes(conditions, JSON.parse('{"__proto__":"x"}')), []);
});

Deno.test("what is no object matches nothing, not even a rule about what is missing", () => {
  const set = compileRules([rule("missing", leaf("a", "not_exists")), rule("first", leaf("0", "exists"))]);
  assert.deepEqual(ids(set.match({})), ["missing"]);
  for (const event of [[], [1], null, undefined, "text", 5, true, () => {}]) {
    assert.deepEqual(set.match(event), []);
  }
});

Deno.test("no rules match nothing", () => {
  assert.deepEqual(compileRules([]).match({ a: 1 }), []);
});

Deno.test("a condition whose alternatives would be millions is matched without multiplying them out", () => {
  const either = (i: number): Condition => ({
    logic: "or",
    conditions: [leaf(`f${i}`, "eq", 1), leaf(`f${i}`, "eq", 2)],
  });
  const condition: Condition = { conditions: Array.from({ length: 100 }, (_, i) => either(i)) };
  const event = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, 1 + i % 2]));
  assert.deepEqual(trueOnes([condition], event), [0]);
  assert.deepEqual(trueOnes([condition], { ...event, f99: 3 }), []);
});

Deno.test("an invalid condition is refused with the rule's id and what is wrong where", () => {
  const invalid = rule("r1", { conditions: [leaf("a", "eq", 1), leaf("a", "gt")] });
  assert.throws(() => compileRules([invalid]), (error: RuleError) => {
    assert.equal(error.code, "rule.invalid");
    assert.deepEqual(error.errors, ["Sub-condition 1: Operator gt requires a value"]);
    assert.match(error.message, /r1.*Sub-condition 1: Operator gt requires a value/);
    return true;
  });
  const cyclic: { conditions: Condition[] } = { conditions: [] };
  cyclic.conditions.push(cyclic);
  for (const condition of [cyclic, undefined, null, 5, leaf("a", "matches", "(")]) {
    for (const previous of [undefined, compileRules([rule("r", leaf("a", "exists"))])]) {
      assert.throws(
        () => compileRules([rule("r", condition as Condition, { status: "paused" })], previous),
        { code: "rule.invalid" },
      );
    }
  }
});

Deno.test("two rules with one id are refused", () => {
  const rules = [rule("same", leaf("a", "exists")), rule("same", leaf("b", "exists"), { status: "paused" })];
  assert.throws(() => compileRules(rules), { code: "rule.duplicate", message: /same/ });
});

Deno.test("a reload compiles only what is new, and the former rule set works as before", () => {
  const { matches } = operators;
  const compile = matches.compile;
  const compiled: unknown[] = [];
  matches.compile = (value) => (compiled.push(value), compile(value));
  try {
    const both = { conditions: [leaf("a", "matches", "x"), leaf("b", "matches", "y")] };
    const former = compileRules([rule("1", both), rule("2", leaf("a", "matches", "x"))]);
    assert.deepEqual(compiled.splice(0), ["x", "y"]);
    const latter = compileRules([
      rule("1", structuredClone(both)),
      rule("3", { logic: "or", conditions: [leaf("a", "matches", "x"), leaf("a", "matches", "z")] }),
    ], former);
    assert.deepEqual(compiled.splice(0), ["z"]);
    compileRules([rule("1", leaf("b", "matches", "y"))], latter);
    assert.deepEqual(compiled.splice(0), []);
    const event = { a: "xz", b: "y" };
    assert.deepEqual(ids(former.match(event)), ["1", "2"]);
    assert.deepEqual(ids(latter.match(event)), ["1", "3"]);
    assert.deepEqual(ids(former.match(event)), ["1", "2"]);
  } finally {
    matches.compile = compile;
  }
});

Deno.test("an event is looked at anew each time, although it is the same object", () => {
  const set = compileRules([rule("high", leaf("a", "gt", 5)), rule("low", leaf("a", "lte", 5))]);
  const event = { a: 9 };
  assert.deepEqual(ids(set.match(event)), ["high"]);
  event.a = 1;
  assert.deepEqual(ids(set.match(event)), ["low"]);
});
