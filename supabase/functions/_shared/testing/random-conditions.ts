/** Conditions for property tests (fast-check). */
import fc from "fast-check";
import { operators } from "../core/rules/operators.ts";

// Every character is one that Postgres can store and RE2 takes literally; some need escapes, or two units of UTF-16.
const text = fc.string({ unit: fc.constantFrom(...'aZ_ "/\n\u001f\u007fé\u2028\ue000\uffff😀') });
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false, "", [], {}),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    text,
    fc.array(tie("json"), { maxLength: 3 }),
    fc.dictionary(text, tie("json"), { maxKeys: 3 }),
  ),
}));

/** A value inside so many lists and objects. */
function nested(levels: number): unknown {
  return levels === 0 ? "a" : levels % 2 ? [nested(levels - 1)] : { a: nested(levels - 1) };
}

const value = fc.oneof(
  { weight: 5, arbitrary: json },
  { weight: 2, arbitrary: fc.array(json, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.integer({ min: 18, max: 22 }).map(nested) },
  { weight: 1, arbitrary: fc.constantFrom(511, 512, 513).map((length) => "😀".repeat(length)) },
  { weight: 1, arbitrary: fc.constantFrom(999, 1000, 1001).map((length) => Array(length).fill(1)) },
);
const operator = fc.constantFrom(...Object.keys(operators), "equals", "toString");
const leaf = fc.record({ field: fc.constantFrom("a", "a.b"), operator, value }, {
  requiredKeys: ["field", "operator"],
});
const anything = (usual: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: json });

/** Sound conditions, and such as have something wrong in every place that can be wrong. */
export const { condition } = fc.letrec((tie) => ({
  condition: fc.oneof(
    { depthSize: "small" },
    { weight: 5, arbitrary: leaf },
    { weight: 1, arbitrary: json },
    {
      weight: 2,
      arbitrary: fc.record({
        field: anything(fc.constant("a")),
        operator: anything(operator),
        value,
        logic: anything(fc.constantFrom("and", "or")),
        conditions: anything(fc.array(tie("condition"), { maxLength: 3 })),
        extra: json,
      }, { requiredKeys: [] }),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(leaf, fc.dictionary(text, json)).map(([leaf, more]) => ({ ...leaf, ...more })),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        logic: fc.constantFrom("and", "or"),
        conditions: fc.array(tie("condition"), { minLength: 1, maxLength: 4 }),
      }, { requiredKeys: ["conditions"] }),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(tie("condition"), fc.integer({ min: 17, max: 22 })).map(([inner, levels]) => {
        for (let i = 0; i < levels; i++) inner = { conditions: [inner] };
        return inner;
      }),
    },
  ),
}));
const sound = { field: "a", operator: "exists" };
/** Groups about as large as is allowed, or with more errors than are listed. */
export const crowd = fc.tuple(
  fc.constantFrom(30, 60, 498, 499, 500, 501),
  fc.constantFrom(sound, {}),
  condition,
)
  .map(([length, repeated, last]) => ({ conditions: [...Array(length - 1).fill(repeated), last] }));
