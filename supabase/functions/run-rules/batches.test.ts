import assert from "node:assert/strict";
import type { StoredEvent, StoredRule } from "../_shared/rules/storage.ts";
import { fakeClock } from "../_shared/testing/fake-clock.ts";
import { recordingLogger } from "../_shared/testing/recording-logger.ts";
import { runRules } from "./run-rules.ts";

/** Events in memory; the rule matches each of them. */
function build({ waiting = 0, heaviest = Infinity, leaseLost = false, batchMs = 0 }) {
  const clock = fakeClock();
  const events: StoredEvent[] = Array.from(
    { length: waiting },
    (_, n) => ({ id: `event-${n}`, event: { n } }),
  );
  const calls: string[] = [];
  const finished: string[] = [];
  const rule = { id: "r", version: 3 } as StoredRule;
  const deps: Parameters<typeof runRules>[0] = {
    ...{ clock, logger: recordingLogger() },
    storage: {
      // deno-lint-ignore require-await
      async claimEvents(limit) {
        calls.push(`claim ${limit}`);
        clock.advance(batchMs);
        return events.length > 0 ? { epoch: 5, events: events.slice(0, limit) } : null;
      },
      // deno-lint-ignore require-await
      async finishEvents(epoch, ids, matches) {
        assert.deepEqual([epoch, matches.length], [5, ids.length]);
        if (ids.length > heaviest) throw new Error("database.timeout");
        if (leaseLost) return false;
        finished.push(...ids);
        events.splice(0, ids.length);
        return true;
      },
    },
    engine: {
      // deno-lint-ignore require-await
      reload: async () => void calls.push("reload"),
      match: () => [rule],
      unusableRules: () => [],
      // deno-lint-ignore require-await
      runActions: async (deadline) => {
        calls.push(`actions until ${deadline! - clock.now()}`);
        return { delivered: 2, dead: 0, held: 1, retry: 0 };
      },
    },
  };
  return { deps, calls, finished, events };
}

Deno.test("events are evaluated in growing batches by rules that are not older, then actions are run", async () => {
  const { deps, calls, finished } = build({ waiting: 40 });
  assert.deepEqual(await runRules(deps), {
    ...{ events: 40, matches: 40, actions_done: 2, actions_held: 1, unusable_rules: [] },
  });
  assert.deepEqual(calls, ["claim 16", "reload", "claim 32", "reload", "claim 64", "actions until 80000"]);
  assert.equal(new Set(finished).size, 40);
});

Deno.test("no batch is greater than five hundred and some", async () => {
  const { deps, calls } = build({ waiting: 5_000 });
  await runRules(deps);
  assert.equal(Math.max(...calls.map((call) => Number(call.split(" ")[1]) || 0)), 512);
});

Deno.test("events that no great batch of can be recorded get evaluated all the same, and actions have their turn", async () => {
  const { deps, calls, events } = build({ waiting: 200, heaviest: 32 });
  let runs = 0;
  while (events.length > 0) {
    assert.ok(++runs < 10, "It must get on with every run");
    await runRules(deps).catch((error) => assert.match(error.message, /database\.timeout/));
  }
  assert.equal(calls.filter((call) => call.startsWith("actions")).length, runs);
});

Deno.test("a worker that lost its lease stops, and counts nothing", async () => {
  const { deps, calls } = build({ waiting: 100, leaseLost: true });
  assert.equal((await runRules(deps)).events, 0);
  assert.equal(calls.filter((call) => call.startsWith("claim")).length, 1);
});

Deno.test("events that come faster than they are evaluated leave time for the actions", async () => {
  const { deps, calls } = build({ waiting: 100_000, batchMs: 10_000 });
  await runRules(deps);
  assert.equal(calls.at(-1), "actions until 40000");
});
