import assert from "node:assert/strict";
import fc from "fast-check";
import { createFiringGate } from "./firing-gate.ts";

const HOUR_MS = 3_600_000;

Deno.test("a rule without cooldown and limit fires each time", () => {
  const gate = createFiringGate({});
  assert.deepEqual([0, 0, 1].map(gate), ["fires", "fires", "fires"]);
});

Deno.test("a cooldown counts from the last firing, not from the last match", () => {
  const gate = createFiringGate({ cooldownSeconds: 10 });
  assert.deepEqual([0, 6_000, 9_999, 10_000, 19_999, 20_000].map(gate), [
    ...["fires", "cooldown", "cooldown", "fires", "cooldown", "fires"],
  ]);
});

Deno.test("the limit counts the firings of the last hour, whichever hour that is", () => {
  const gate = createFiringGate({ maxFiresPerHour: 2 });
  assert.deepEqual([0, 1_800_000, 3_599_999, HOUR_MS, HOUR_MS + 1, 5_400_000].map(gate), [
    ...["fires", "fires", "limit", "fires", "limit", "fires"],
  ]);
});

Deno.test("no hour has more firings than the limit, and no two firings are nearer than the cooldown", () => {
  const rule = fc.record({ cooldownSeconds: fc.nat(600), maxFiresPerHour: fc.integer({ min: 1, max: 5 }) });
  fc.assert(fc.property(rule, fc.array(fc.nat(1_000_000), { maxLength: 100 }), (limits, pauses) => {
    const gate = createFiringGate(limits);
    let now = 0;
    const fires = pauses.map((pause) => now += pause).filter((at) => gate(at) === "fires");
    for (const [i, at] of fires.entries()) {
      if (i > 0) assert.ok(at - fires[i - 1]! >= limits.cooldownSeconds * 1_000);
      const lastHour = fires.filter((other) => other <= at && other > at - HOUR_MS);
      assert.ok(lastHour.length <= limits.maxFiresPerHour);
    }
  }));
});
