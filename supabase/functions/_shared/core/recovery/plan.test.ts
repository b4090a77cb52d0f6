import assert from "node:assert/strict";
import fc from "fast-check";
import type { Category, Classification } from "../failure/failure.ts";
import { CALL_RESERVE_MS, planRecovery, ROUND_MS } from "./plan.ts";

const failure = (known: Partial<Classification>): Classification => ({
  category: "unknown",
  confidence: 0.9,
  signals: [],
  advice: "Look at it",
  owner: "us",
  retry_after_seconds: null,
  refreshable: null,
  ...known,
});
const plan = (known: Partial<Classification>, random = 0) => planRecovery(failure(known), random);
const essence = ({ step, attempts, delay_seconds }: ReturnType<typeof plan>) => [
  step,
  attempts,
  delay_seconds,
];

Deno.test("an auth failure is recovered by one call with a fresh token, at once", () => {
  assert.deepEqual(essence(plan({ category: "auth", refreshable: true })), ["recover", 1, 0]);
  assert.deepEqual(essence(plan({ category: "auth", refreshable: null })), ["recover", 1, 0]);
});

Deno.test("a grant that is certainly gone is left to people, a bare 403 is tried", () => {
  assert.equal(plan({ category: "auth", refreshable: false, confidence: 0.95 }).step, "tell");
  assert.equal(plan({ category: "auth", refreshable: false, confidence: 0.65 }).step, "recover");
});

Deno.test("a short Retry-After is obeyed exactly within the function, a long one by the schedule", () => {
  assert.deepEqual(essence(plan({ category: "rate_limit", retry_after_seconds: 1.5 })), ["recover", 3, 1.5]);
  assert.deepEqual(essence(plan({ category: "rate_limit", retry_after_seconds: 30 })), [
    "wait",
    undefined,
    30,
  ]);
  assert.deepEqual(essence(plan({ category: "network", retry_after_seconds: 120 })), [
    "wait",
    undefined,
    120,
  ]);
});

Deno.test("without a Retry-After, rate limits and network failures start after 250 to 500 ms", () => {
  for (const category of ["rate_limit", "network"] as const) {
    assert.deepEqual(essence(plan({ category }, 0)), ["recover", 3, 0.25]);
    assert.deepEqual(essence(plan({ category }, 0.5)), ["recover", 3, 0.375]);
  }
});

Deno.test("a data failure is told with its advice and never repeated", () => {
  const told = plan({ category: "data", retry_after_seconds: 5 });
  assert.equal(told.step, "tell");
  assert.match(told.action_taken, /people were told\. Look at it$/);
});

Deno.test("an unknown failure is repeated once, after a second", () => {
  assert.deepEqual(essence(plan({ category: "unknown" })), ["recover", 1, 1]);
});

Deno.test("no plan makes a function wait so long that its first call has no time left", () => {
  const category = fc.constantFrom<Category>("auth", "rate_limit", "network", "data", "unknown");
  const seconds = fc.option(fc.double({ min: 0, max: 86_400, noNaN: true }));
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(fc.property(category, seconds, random, (kind, asked, chance) => {
    const made = plan({ category: kind, retry_after_seconds: asked }, chance);
    if (made.step === "recover") assert.ok(made.delay_seconds! * 1_000 <= ROUND_MS - CALL_RESERVE_MS);
    if (made.step === "wait") assert.equal(made.delay_seconds, asked);
    assert.equal(made.step === "tell", kind === "data");
  }));
});
