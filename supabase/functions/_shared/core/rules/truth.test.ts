import assert from "node:assert/strict";
import { and, not, or, type Truth } from "./truth.ts";

const truths: Truth[] = [true, false, undefined];
const letter = (truth: Truth) => truth === undefined ? "?" : truth ? "T" : "F";

/** Rows and columns: true, false, unknown. */
const table = (combine: (truths: Truth[]) => Truth) =>
  truths.map((a) => truths.map((b) => letter(combine([a, b]))).join(" "));

Deno.test("false decides an and, whatever is unknown", () => {
  assert.deepEqual(table(and), ["T F ?", "F F F", "? F ?"]);
});

Deno.test("true decides an or, whatever is unknown", () => {
  assert.deepEqual(table(or), ["T T T", "T F ?", "T ? ?"]);
});

Deno.test("the opposite of unknown is unknown", () => {
  assert.deepEqual(truths.map(not).map(letter), ["F", "T", "?"]);
});

Deno.test("of many, and asks for all and or for one", () => {
  assert.equal(and([true, true, true]), true);
  assert.equal(and([true, undefined, false]), false);
  assert.equal(or([false, undefined, true]), true);
  assert.equal(or([false, false, undefined]), undefined);
});
