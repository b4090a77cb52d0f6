import assert from "node:assert/strict";
import { actionContext } from "../testing/action-context.ts";
import { fakeClock } from "../testing/fake-clock.ts";
import { backtest } from "./backtest.ts";
import { createPluginRegistry } from "./plugins/registry.ts";
import { parseRule } from "./rule-schema.ts";
import type { StoredRule } from "./storage.ts";

const NOW = Date.parse("2026-03-31T12:00:00Z");
const MINUTE_MS = 60_000;
const { deps } = actionContext({ pluginRegistry: createPluginRegistry() });

const rule = (id: string, changes: Record<string, unknown> = {}) =>
  parseRule({
    ...{ id, name: id, condition: { field: "mbps", operator: "lt", value: 25 } },
    action: {
      ...{ type: "plugin_emit", pluginId: "quality-monitor", eventType: "degrade" },
      payload: { suggestedQuality: "1080p" },
    },
    ...changes,
  }, deps);

const restore = (changes: Record<string, unknown> = {}) =>
  rule("restore", {
    condition: { field: "mbps", operator: "gte", value: 25 },
    action: {
      ...{ type: "plugin_emit", pluginId: "quality-monitor", eventType: "degrade" },
      payload: { suggestedQuality: "4K" },
    },
    ...changes,
  });

/** Runs a backtest of a week on events that are minutes apart; the last one is a minute old. */
async function run(
  tested: ReturnType<typeof rule>,
  events: unknown[],
  others = [] as ReturnType<typeof rule>[],
  {
    pageMs = 0,
    days = 7,
  } = {},
) {
  const clock = fakeClock(NOW);
  const pages: { from: Date; after: unknown; limit: number }[] = [];
  const storage = {
    // deno-lint-ignore require-await
    load: async () => ({ version: 1, rules: others as StoredRule[] }),
    // deno-lint-ignore require-await
    readEvents: async (from: Date, after: unknown, limit: number) => {
      pages.push({ from, after, limit });
      clock.advance(pageMs);
      const start = Number(after ?? 0);
      const page = events.slice(start, start + limit).map((event, i) => ({
        id: `event-${start + i}`,
        createdAt: new Date(NOW - (events.length - start - i) * MINUTE_MS).toISOString(),
        event: event as Record<string, unknown>,
      }));
      return { events: page, next: start + limit < events.length ? start + limit : null };
    },
  };
  return { report: await backtest(tested, days, { ...deps, storage, clock }), pages };
}

const mbps = (...values: number[]) => values.map((mbps) => ({ mbps }));

Deno.test("it tells what a rule would have done, with the first firings in full", async () => {
  const { report, pages } = await run(rule("degrade"), mbps(10, 30, 20));
  assert.deepEqual(report, {
    ruleId: "degrade",
    ...{ from: "2026-03-24T12:00:00.000Z", to: "2026-03-31T12:00:00.000Z", truncated: false },
    ...{ events: 3, matched: 2, wouldFire: 2, suppressed: { cooldown: 0, limit: 0 } },
    samples: ["2026-03-31T11:57:00.000Z", "2026-03-31T11:59:00.000Z"].map((createdAt, i) => ({
      ...{ eventId: `event-${i * 2}`, createdAt },
      actionResults: [{
        success: true,
        result: {
          ...{ simulated: true, pluginId: "quality-monitor", eventType: "degrade" },
          payload: { suggestedQuality: "1080p" },
        },
        metadata: { action: "plugin_emit", dryRun: true },
      }],
    })),
    warnings: [],
  });
  assert.equal(pages[0]!.from.toISOString(), report.from);
});

Deno.test("cooldown and limit go by the events' times", async () => {
  const { report } = await run(rule("degrade", { cooldownSeconds: 120 }), mbps(1, 1, 1, 1, 1));
  assert.deepEqual([report.matched, report.wouldFire, report.suppressed], [5, 3, { cooldown: 2, limit: 0 }]);
  const limited = await run(rule("degrade", { maxFiresPerHour: 2 }), mbps(...Array(70).fill(1)));
  assert.deepEqual([limited.report.wouldFire, limited.report.suppressed], [4, { cooldown: 0, limit: 66 }]);
});

Deno.test("a paused rule is tested as if it were active, in the place of the stored one", async () => {
  const { report } = await run(rule("degrade", { status: "paused" }), mbps(1), [rule("degrade")]);
  assert.deepEqual([report.matched, report.warnings], [1, []]);
});

Deno.test("a rule that another one keeps from being evaluated would not fire", async () => {
  const first = rule("first", { priority: 9, mode: "first_match" });
  const { report } = await run(rule("degrade"), mbps(1, 1), [first]);
  assert.deepEqual([report.events, report.matched], [2, 0]);
});

Deno.test("it warns of a rule that tells the same plugin something else on the same event", async () => {
  const contrary = restore({ condition: { field: "mbps", operator: "exists" } });
  const { report } = await run(rule("degrade"), mbps(1, 30, 1), [contrary]);
  assert.deepEqual(
    report.warnings.map(({ kind, ruleId, target, count, eventId }) => [kind, ruleId, target, count, eventId]),
    [
      ["contradiction", "restore", "plugin_emit quality-monitor", 2, "event-0"],
    ],
  );
});

Deno.test("it warns of a rule that takes turns with it, until a cooldown keeps them apart", async () => {
  const swinging = mbps(20, 30, 20, 30, 20, 30);
  const { report } = await run(rule("degrade"), swinging, [restore()]);
  assert.deepEqual(report.warnings.map(({ kind, ruleId }) => [kind, ruleId]), [["flip_flop", "restore"]]);
  const calm = await run(rule("degrade", { cooldownSeconds: 3600 }), swinging, [restore()]);
  assert.deepEqual(calm.report.warnings, []);
});

Deno.test("rules that split the same ledger event in different ways contradict each other, others do not", async () => {
  const split = (id: string, bucket: string, path: string) =>
    rule(id, {
      condition: { field: "ledgerEventId", operator: "exists" },
      action: {
        ...{ type: "ledger_allocate", ledgerEventId: `{{event.${path}}}` },
        allocations: [{ bucket, share: 1 }],
      },
    });
  const event = { ledgerEventId: crypto.randomUUID(), other: crypto.randomUUID() };
  const others = [split("b", "label", "ledgerEventId"), split("c", "label", "other")];
  const { report } = await run(split("a", "artist", "ledgerEventId"), [event], others);
  assert.deepEqual(report.warnings.map(({ ruleId, target }) => [ruleId, target]), [
    ["b", `ledger_allocate ${event.ledgerEventId}`],
  ]);
});

Deno.test("a rule whose condition cannot be evaluated disturbs nobody's backtest", async () => {
  const broken = {
    ...rule("broken"),
    condition: { field: "a", operator: "matches" as const, value: "(?<=a)b" },
  };
  const { report } = await run(rule("degrade"), mbps(1), [broken]);
  assert.equal(report.matched, 1);
});

Deno.test("it reads page by page, shows ten samples at most, and says when time was up", async () => {
  const events = mbps(...Array(1_200).fill(1));
  const { report, pages } = await run(rule("degrade", { maxFiresPerHour: null }), events);
  assert.deepEqual(pages.map(({ after }) => after), [null, 500, 1000]);
  assert.deepEqual([report.events, report.wouldFire, report.samples.length, report.truncated], [
    1_200,
    1_200,
    10,
    false,
  ]);
  const late = (await run(rule("degrade"), events, [], { pageMs: 10_000 })).report;
  assert.deepEqual([late.events, late.truncated, late.to], [1_000, true, "2026-03-31T08:39:00.000Z"]);
});
