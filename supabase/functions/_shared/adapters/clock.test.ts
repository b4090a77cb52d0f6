import assert from "node:assert/strict";
import { systemClock } from "./clock.ts";

Deno.test("a sleep lasts at least as long as asked", async () => {
  const before = performance.now();
  await systemClock.sleep(20);
  assert.ok(performance.now() - before >= 19);
});

Deno.test("a sleep ends at once when it is aborted, before or during it", async () => {
  await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort()), { name: "AbortError" });
  const controller = new AbortController();
  const sleeping = systemClock.sleep(60_000, controller.signal);
  controller.abort();
  await assert.rejects(sleeping, { name: "AbortError" });
});
