import assert from "node:assert/strict";
import fc from "fast-check";
import type { Category } from "../failure/failure.ts";
import { roundDelaySeconds, shortDelayMs } from "./backoff.ts";

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const category = fc.constantFrom<Category>("auth", "rate_limit", "network", "data", "unknown");

Deno.test("repetitions within a round wait 500 ms, 1 s and 2 s, times 0.5 to 1", () => {
  assert.deepEqual([1, 2, 3].map((n) => shortDelayMs(n, 0)), [250, 500, 1_000]);
  assert.deepEqual([1, 2, 3].map((n) => Math.round(shortDelayMs(n, 0.999999))), [500, 1_000, 2_000]);
});

Deno.test("no short pause is negative or longer than 10 s, however many there were", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1_000 }), random, (repetition, chance) => {
    const delay = shortDelayMs(repetition, chance);
    assert.ok(delay >= 250 && delay <= 10_000, String(delay));
  }));
});

Deno.test("later rounds come after 1, 5, 15, 30 and then every 60 minutes", () => {
  const minutes = [3, 4, 5, 6, 7, 8, 11].map((attempts) => roundDelaySeconds("network", attempts, 0)! / 60);
  assert.deepEqual(minutes, [1, 5, 15, 30, 60, 60, 60]);
  assert.equal(roundDelaySeconds("unknown", 1, 0), 60);
});

Deno.test("healing ends: an auth failure is given up after 3 calls, any other after 12", () => {
  for (const chance of [0, 0.5, 0.999]) {
    assert.notEqual(roundDelaySeconds("auth", 2, chance), null);
    assert.equal(roundDelaySeconds("auth", 3, chance), null);
    assert.notEqual(roundDelaySeconds("network", 11, chance), null);
    assert.equal(roundDelaySeconds("network", 12, chance), null);
  }
});

Deno.test("a later round never comes sooner than the one before it, nor later than in 66 minutes", () => {
  fc.assert(fc.property(category, fc.nat(30), random, random, (kind, attempts, first, second) => {
    const delay = roundDelaySeconds(kind, attempts, first);
    const next = roundDelaySeconds(kind, attempts + 1, second);
    if (delay === null) return assert.equal(next, null);
    assert.ok(delay >= 60 && delay <= 66 * 60);
    if (next !== null) assert.ok(next >= delay * 0.9);
  }));
});
