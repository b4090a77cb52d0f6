/** Backtests on the events that the database really holds. */
import assert from "node:assert/strict";
import { type Rules, startRules } from "../../../scripts/testing/rules.ts";

let rules: Rules;
Deno.test.beforeAll(async () => {
  rules = await startRules();
  await rules.stack.sql`
    insert into rule_events (id, data, created_at, evaluated_at)
    select 'event-' || n, jsonb_build_object('mbps', case when n % 2 = 0 then 10 else 40 end), now() - n * interval '5 minutes', now()
    from generate_series(1, 1300) n`;
});
Deno.test.afterAll(() => rules.stop());

const emit = (suggestedQuality: string) => ({
  ...{ type: "plugin_emit", pluginId: "quality-monitor", eventType: "degrade" },
  payload: { suggestedQuality },
});
const degrade = {
  ...{ id: "degrade", name: "Degrade", condition: { field: "mbps", operator: "lt", value: 25 } },
  action: emit("720p"),
};

Deno.test("a rule that is not saved is run against the stored events of the last days, and does nothing", async () => {
  const [{ entries }] = await rules.stack.sql<[{ entries: number }]>`
    select count(*)::int as entries from audit_log where subsystem <> 'rules'`;
  const { status, body } = await rules.call("POST", "/backtest", { rule: degrade, days: 2 });
  assert.equal(status, 200);
  assert.deepEqual(
    [body.events, body.matched, body.wouldFire, body.suppressed, body.truncated, body.warnings],
    [575 + entries, 287, 287, { cooldown: 0, limit: 0 }, false, []],
  );
  assert.equal(Date.parse(body.to) - Date.parse(body.from), 2 * 86_400_000);
  assert.deepEqual(body.samples[0].actionResults[0].result, {
    ...{ simulated: true, pluginId: "quality-monitor", eventType: "degrade" },
    payload: { suggestedQuality: "720p" },
  });
  const times = body.samples.map(({ createdAt }: { createdAt: string }) => createdAt);
  assert.deepEqual(times, times.toSorted());
  const all = await rules.call("POST", "/backtest", { rule: degrade, days: 90 });
  assert.deepEqual([all.body.events, all.body.matched], [1300 + entries, 650]);
  const [{ count }] = await rules.stack.sql<[{ count: number }]>`select count(*)::int from rule_matches`;
  assert.equal(count, 0);
});

Deno.test("a stored rule is warned of one that takes turns with it", async () => {
  await rules.call("POST", "", degrade);
  const restore = {
    ...{ id: "restore", name: "Restore", condition: { field: "mbps", operator: "gte", value: 25 } },
    action: emit("4K"),
  };
  await rules.call("POST", "", restore);
  const { body } = await rules.call("POST", "/backtest", { ruleId: "degrade", days: 1 });
  const [warning, ...more] = body.warnings;
  assert.deepEqual([warning.kind, warning.ruleId, warning.target, more], [
    ...["flip_flop", "restore", "plugin_emit quality-monitor", []],
  ]);
  assert.match(warning.message, /Leave a gap between their thresholds/);
});

Deno.test("entries of the audit log are among the events", async () => {
  await rules.stack.sql`insert into audit_log (subsystem, kind, actor, action, resource, result, payload)
    values ('launch', 'action', 'system', 'rocket.started', 'rocket:1', 'done', '{}')`;
  const rule = {
    ...degrade,
    id: "launches",
    condition: { field: "eventType", operator: "eq", value: "rocket.started" },
  };
  const { body } = await rules.call("POST", "/backtest", { rule });
  assert.deepEqual([body.matched, body.samples.length], [1, 1]);
  assert.match(body.samples[0].eventId, /^audit_log:/);
});

Deno.test("a period, a rule or a question that makes no sense is refused", async () => {
  const errorOf = async (body: unknown) => {
    const answer = await rules.call("POST", "/backtest", body);
    return `${answer.status} ${answer.body.error.code}`;
  };
  for (const days of [0, 91, 1.5, "7"]) {
    assert.equal(await errorOf({ rule: degrade, days }), "422 request.invalid", String(days));
  }
  assert.equal(await errorOf({}), "422 request.invalid");
  assert.equal(await errorOf({ ruleId: "degrade", rule: degrade }), "422 request.invalid");
  assert.equal(await errorOf({ ruleId: "no-rule" }), "404 rule.unknown");
  assert.equal(await errorOf({ rule: { ...degrade, condition: {} } }), "422 rule.invalid");
  const { body: { error } } = await rules.call("POST", "/backtest", { rule: null });
  assert.match(error.message, /expected object, received null/);
});
