import assert from "node:assert/strict";
import fc from "fast-check";
import type { Category, Classification } from "../failure/failure.ts";
import { decideNextStep, type NextStep, type Round } from "./next-step.ts";
import { CALL_RESERVE_MS } from "./plan.ts";

const failure = (known: Partial<Classification>): Classification => ({
  category: "network",
  confidence: 0.9,
  signals: [],
  advice: "Look at it",
  owner: "us",
  retry_after_seconds: null,
  refreshable: null,
  ...known,
});
const next = (known: Partial<Classification>, round: Partial<Round> = {}): NextStep =>
  decideNextStep({
    failure: failure(known),
    safe: true,
    calls: 1,
    callsAllowed: 3,
    callsBefore: 0,
    refreshed: false,
    ageSeconds: 0,
    remainingMs: 9_000,
    random: 0,
    ...round,
  });
const end = (step: NextStep) => step.kind === "end" ? [step.outcome, step.delay_seconds] : step.kind;

Deno.test("a network failure is tried again after 500 ms, 1 s and 2 s, and then in a minute", () => {
  assert.deepEqual(next({}, { calls: 1 }), { kind: "again", delayMs: 500 });
  assert.deepEqual(next({}, { calls: 2 }), { kind: "again", delayMs: 1_000 });
  assert.deepEqual(end(next({}, { calls: 3 })), ["failed", 60]);
});

Deno.test("no call is started that the function's time or the retry budget does not cover", () => {
  assert.deepEqual(end(next({}, { remainingMs: CALL_RESERVE_MS + 499 })), ["failed", 60]);
  assert.deepEqual(end(next({}, { callsAllowed: 1 })), ["failed", 60]);
});

Deno.test("a rate limit waits exactly as long as asked: at once when it is short, scheduled otherwise", () => {
  const limit = { category: "rate_limit", retry_after_seconds: 3 } as const;
  assert.deepEqual(next(limit), { kind: "again", delayMs: 3_000 });
  assert.deepEqual(end(next(limit, { remainingMs: 4_000 })), ["waiting", 3]);
  assert.deepEqual(end(next({ ...limit, retry_after_seconds: 600 })), ["waiting", 600]);
  assert.deepEqual(end(next(limit, { callsAllowed: 1 })), ["waiting", 3]);
});

Deno.test("a provider that goes on asking to wait is obeyed for three days, then people are told", () => {
  const limit = { category: "rate_limit", retry_after_seconds: 3_600 } as const;
  const threeDays = 3 * 24 * 3_600;
  assert.deepEqual(end(next(limit, { ageSeconds: threeDays - 3_600 })), ["waiting", 3_600]);
  assert.deepEqual(end(next(limit, { ageSeconds: threeDays - 3_599 })), ["gave_up", undefined]);
});

Deno.test("an outage that says when it ends is obeyed, too, but counts as a failure", () => {
  assert.deepEqual(end(next({ retry_after_seconds: 120 })), ["failed", 120]);
  assert.deepEqual(end(next({ retry_after_seconds: 1 }, { calls: 3 })), ["failed", 60]);
});

Deno.test("a call that may have taken effect is not repeated, and people learn why", () => {
  const step = next({}, { safe: false });
  assert.deepEqual(end(step), ["failed", undefined]);
  assert.match((step as { action_taken: string }).action_taken, /may have taken effect/);
});

Deno.test("a data failure is left to people", () => {
  assert.deepEqual(end(next({ category: "data" })), ["failed", undefined]);
});

Deno.test("a token that expired meanwhile is refreshed next, without counting as a failure", () => {
  assert.deepEqual(end(next({ category: "auth" })), ["waiting", 0]);
});

Deno.test("a fresh token that is refused is tried three times in all, unless no token can help", () => {
  const refused = (callsBefore: number) => end(next({ category: "auth" }, { refreshed: true, callsBefore }));
  assert.deepEqual([refused(0), refused(1), refused(2)], [["failed", 60], ["failed", 60], [
    "gave_up",
    undefined,
  ]]);
  assert.deepEqual(end(next({ category: "auth", refreshable: false }, { refreshed: true })), [
    "failed",
    undefined,
  ]);
});

Deno.test("healing a network failure ends after 12 calls", () => {
  assert.deepEqual(end(next({}, { callsAllowed: 1, callsBefore: 10 })), ["failed", 3_600]);
  assert.deepEqual(end(next({}, { callsAllowed: 1, callsBefore: 11 })), ["gave_up", undefined]);
});

Deno.test("every round ends: whatever the answers, calls stay within what is allowed and delays are never negative", () => {
  const anyRound = fc.record({
    category: fc.constantFrom<Category>("auth", "rate_limit", "network", "data", "unknown"),
    asked: fc.option(fc.double({ min: 0, max: 86_400, noNaN: true })),
    safe: fc.boolean(),
    refreshed: fc.boolean(),
    calls: fc.integer({ min: 1, max: 5 }),
    callsAllowed: fc.integer({ min: 1, max: 5 }),
    callsBefore: fc.nat(20),
    remainingMs: fc.integer({ min: -5_000, max: 10_000 }),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  });
  fc.assert(fc.property(anyRound, ({ category, asked, ...round }) => {
    const step = next({ category, retry_after_seconds: asked }, round);
    if (step.kind === "again") {
      assert.ok(round.calls < round.callsAllowed && round.safe);
      assert.ok(step.delayMs + CALL_RESERVE_MS <= round.remainingMs);
      assert.ok(asked === null || step.delayMs === asked * 1_000);
    } else {
      assert.ok((step.delay_seconds ?? 0) >= 0);
      assert.ok(step.outcome !== "gave_up" || step.delay_seconds === undefined);
      assert.notEqual(step.action_taken, "");
    }
  }));
});
