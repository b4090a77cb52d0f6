import assert from "node:assert/strict";
import { countTests } from "./deno-test.ts";

function count(summary: string, success: boolean): [number, number] {
  const { passed, failed } = countTests(`running 1 test\na ... ok (1ms)\n\n${summary}\n`, success);
  return [passed, failed];
}

Deno.test("passed and failed tests are counted, with or without steps", () => {
  assert.deepEqual(count("ok | 12 passed | 0 failed (1s)", true), [12, 0]);
  assert.deepEqual(count("ok | 3 passed (20 steps) | 0 failed (2m34s)", true), [3, 0]);
  assert.deepEqual(count("FAILED | 137 passed (20 steps) | 2 failed (1 step) (2m34s)", false), [137, 2]);
});

Deno.test("an ignored test proves nothing and counts as failed", () => {
  assert.deepEqual(count("ok | 2 passed | 0 failed | 1 ignored (1s)", true), [2, 1]);
});

Deno.test("a run without a summary, or with an error beside its tests, counts as failed", () => {
  assert.deepEqual(count("error: Module not found", false), [0, 1]);
  assert.deepEqual(count("ok | 2 passed | 0 failed (1s)", false), [2, 1]);
});

Deno.test("of a long output the errors remain", () => {
  const output = "running 1 test\n\n ERRORS \n\na => a.test.ts\n\nFAILED | 0 passed | 1 failed (1s)\n";
  assert.match(countTests(output, false).details, /^\n ERRORS/);
});
