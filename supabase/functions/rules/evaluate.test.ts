/** Rules on events, with everything real: the database, the functions, a receiver of webhooks. */
import assert from "node:assert/strict";
import { eventually } from "../../../scripts/testing/healing.ts";
import { type Rules, startRules } from "../../../scripts/testing/rules.ts";
import { rulesDeps } from "../_shared/rules/deps.ts";
import { createRuleEngine, type RuleEngine } from "../_shared/rules/engine.ts";
import examples from "../../rules/examples.json" with { type: "json" };

let rules: Rules;
/** An engine in this process, whose project's own functions are at the receiver. */
let engine: RuleEngine;

Deno.test.beforeAll(async () => {
  rules = await startRules();
  const parts = rulesDeps((variable) => rules.stack.env[variable]);
  const logger = { info() {}, warn() {}, error() {} };
  engine = createRuleEngine({ ...parts, logger, projectUrl: rules.receiverUrl });
});
Deno.test.afterAll(() => rules.stop());
Deno.test.beforeEach(() => rules.archiveAll());

// deno-lint-ignore no-explicit-any
type Json = any;

async function evaluate(event: unknown, options: Record<string, unknown> = {}): Promise<Json> {
  const { status, body } = await rules.call("POST", "/evaluate", { event, ...options });
  assert.equal(status, 200, JSON.stringify(body));
  return body.evaluations[0];
}

/** The content of every table, as one hash each. */
async function contents(): Promise<Record<string, string>> {
  const tables = await rules.stack.sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname in ('public', 'private') order by 1`;
  const hashes = await Promise.all(tables.map(async ({ name }) => {
    const [row] = await rules.stack.sql.unsafe(
      `select count(*) || ' rows, ' || coalesce(md5(string_agg(t::text, ',' order by t::text)), '') as hash from ${name} t`,
    );
    return [name, row!.hash];
  }));
  return Object.fromEntries(hashes);
}

/** A value without what differs each time. */
const withoutDuration = ({ duration, ...result }: Json) => (assert.ok(duration >= 0), result);

Deno.test("the three patterns of the guide do what they say", async () => {
  for (const example of examples.rules) {
    const action = JSON.parse(
      JSON.stringify(example.action).replace("https://your-service.com", rules.receiverUrl),
    );
    const exists = await rules.call("GET", `/${example.id}`);
    assert.equal(exists.status, 404);
    assert.equal((await rules.call("POST", "", { ...example, action })).status, 201);
  }
  const firing = async (event: Record<string, unknown>) => {
    const results = await engine.evaluateAllRules(event);
    assert.deepEqual(results.map(({ ruleId }) => ruleId), [
      ...["fraud-detection", "lane-latency-alert", "bandwidth-degradation-alert"],
    ]);
    const [result, ...more] = results.filter(({ matched }) => matched);
    assert.deepEqual(more, []);
    return withoutDuration(result);
  };

  assert.deepEqual(await firing({ lane: 1, latencyMs: 101 }), {
    ...{ matched: true, ruleId: "lane-latency-alert", ruleName: "Lane Latency Alert", executed: true },
    actionResults: [{ success: true, result: { status: 200 }, metadata: { action: "webhook" } }],
  });
  const [alert] = rules.received.splice(0);
  assert.deepEqual([alert!.path, alert!.body], ["/alerts/latency", { lane: 1, reason: "high_latency" }]);
  assert.match(String(alert!.headers["webhook-signature"]), /^v1,/);
  assert.equal(alert!.headers["x-internal-token"], undefined);

  const { actionResults: [emitted] } = await firing({ streamType: "4K", bandwidthMbps: 24.9 });
  assert.deepEqual([emitted.success, emitted.metadata], [true, { action: "plugin_emit" }]);
  assert.equal(emitted.result.result.maxQuality, "1080p");

  const { actionResults: [lockout, anchored] } = await firing({
    eventType: "login",
    failedAttempts: 5,
    user: "eve",
  });
  assert.deepEqual(lockout, { success: true, result: { status: 200 }, metadata: { action: "webhook" } });
  const [locked] = rules.received;
  assert.deepEqual([locked!.path, locked!.body], ["/functions/v1/api/security/lockout", {}]);
  assert.equal(locked!.headers["x-internal-token"], rules.stack.secrets.internalWebhookToken);
  assert.deepEqual([anchored.success, anchored.result.place], [true, "checkpoint"]);
  const [entry] = await rules.stack.sql`
    select payload from audit_log where subsystem = 'rules' and action = 'action.succeeded'
      and payload ->> 'type' = 'anchor'`;
  assert.equal(entry!.payload.result.hash, anchored.result.hash);
});

Deno.test("a dry run shows what every action would do, and touches nothing", async () => {
  const id = await rules.save({
    action: [
      {
        type: "webhook",
        url: "https://alerts.example.com/webhook",
        payload: { alert: "lane {{event.lane}}" },
      },
      { type: "webhook", url: `${rules.receiverUrl}/canary`, payload: {} },
      { type: "anchor", eventHash: "{{event}}", metadata: "why" },
      {
        type: "plugin_emit",
        pluginId: "quality-monitor",
        eventType: "degrade",
        payload: { suggestedQuality: "720p" },
      },
      {
        type: "ledger_allocate",
        ledgerEventId: "{{event.ledgerEventId}}",
        allocations: [{ bucket: "a", share: 1 }],
      },
    ],
  });
  const event = { test: id, lane: 7, ledgerEventId: crypto.randomUUID() };
  const before = await contents();
  const { eventId, results: [result] } = await evaluate(event, { dryRun: true });
  const [batch] =
    (await rules.call("POST", "/evaluate", { events: [event, { ...event, eventId: "seen" }], dryRun: true }))
      .body.evaluations;
  await rules.call("POST", "/evaluate", { event, dryRun: true, ruleId: id, trace: true });
  await rules.call("POST", "/backtest", { ruleId: id });
  await engine.evaluateRule((await rules.call("GET", `/${id}`)).body, event, true);

  assert.equal(eventId, null);
  assert.deepEqual(withoutDuration(batch.results[0]), withoutDuration(result));
  assert.deepEqual([result.matched, result.executed], [true, false]);
  assert.deepEqual(result.actionResults[0], {
    success: true,
    result: { simulated: true, url: "https://alerts.example.com/webhook", payload: { alert: "lane 7" } },
    metadata: { action: "webhook", dryRun: true },
  });
  for (const [i, type] of ["webhook", "webhook", "anchor", "plugin_emit", "ledger_allocate"].entries()) {
    const { success, result: simulation, metadata } = result.actionResults[i];
    assert.deepEqual([success, simulation.simulated, metadata], [true, true, { action: type, dryRun: true }]);
  }
  assert.equal(result.actionResults[4].result.ledgerEventId, event.ledgerEventId);
  assert.deepEqual(await contents(), before);
  assert.deepEqual(rules.received, []);
});

Deno.test("an action that fails is reported, and the others are done all the same", async () => {
  rules.onWebhook = ({ path }) => path.startsWith("/refuse") ? 400 : 200;
  const id = await rules.save({
    action: [
      { type: "webhook", url: `${rules.receiverUrl}/refuse`, payload: {} },
      {
        type: "plugin_emit",
        pluginId: "quality-monitor",
        eventType: "degrade",
        payload: { suggestedQuality: "{{event.q}}" },
      },
      {
        type: "ledger_allocate",
        ledgerEventId: "{{event.nothing}}",
        allocations: [{ bucket: "a", share: 1 }],
      },
      { type: "webhook", url: `${rules.receiverUrl}/take`, payload: "{{event.test}}" },
    ],
  });
  const { results: [result] } = await evaluate({ test: id, q: "8K" });
  assert.equal(result.executed, true);
  const [refused, payload, ledger, taken] = result.actionResults;
  assert.match(refused.error, /^webhook\.refused: .*400/);
  assert.match(payload.error, /^plugin\.payload_invalid: /);
  assert.match(ledger.error, /^[a-z_]+\.[a-z_]+: /);
  assert.deepEqual(taken, { success: true, result: { status: 200 }, metadata: { action: "webhook" } });
  assert.equal(rules.received.at(-1)!.body, id);
  const [told] = await rules.stack
    .sql`select payload from outbox where kind = 'action_failed' and payload ->> 'rule_id' = ${id}
    and payload ->> 'action' = 'webhook' limit 1`;
  assert.match(told!.payload.error, /^webhook\.refused/);
});

Deno.test("an event with an id is evaluated once, however often and however many at once send it", async () => {
  const id = await rules.save();
  const event = { eventId: `order-${id}`, test: id };
  const first = await evaluate(event);
  const again = await Promise.all(Array.from({ length: 8 }, () => evaluate(event)));
  for (const other of again) {
    assert.deepEqual(other.results.map(withoutDuration), first.results.map(withoutDuration));
  }
  assert.equal(rules.received.length, 1);
  const [{ count }] = await rules.stack
    .sql`select count(*)::int from rule_events where id = ${event.eventId}` as [
      Json,
    ];
  assert.equal(count, 1);
});

Deno.test("events without an id are new each time, and rules see the id that each one is given", async () => {
  const id = await rules.save({
    action: { type: "webhook", url: `${rules.receiverUrl}/`, payload: "{{event.eventId}}" },
  });
  const { body } = await rules.call("POST", "/evaluate", {
    events: [{ test: id }, { test: id }, { test: "other" }],
  });
  const ids = body.evaluations.map(({ eventId }: Json) => eventId);
  assert.deepEqual(body.evaluations.map(({ results }: Json) => results.length), [1, 1, 0]);
  assert.equal(new Set(ids).size, 3);
  assert.deepEqual(rules.received.map(({ body }) => body).sort(), ids.slice(0, 2).sort());
  await rules.save({ condition: { field: "eventId", operator: "exists" } });
  const { traces } = await evaluate({ test: "none" }, { trace: true });
  assert.deepEqual(traces.map(({ result }: Json) => result).sort(), ["false", "true"]);
});

Deno.test("within its cooldown a rule that matches is suppressed, and says so for each action", async () => {
  const id = await rules.save({ cooldownSeconds: 3600 });
  assert.equal((await evaluate({ test: id })).results[0].executed, true);
  const { results: [result] } = await evaluate({ test: id });
  assert.deepEqual([result.matched, result.executed, result.actionResults.length], [true, false, 1]);
  const [{ success, error, metadata }] = result.actionResults;
  assert.deepEqual([success, metadata], [false, { action: "webhook" }]);
  assert.match(error, /^rule\.cooldown: /);
  assert.equal(rules.received.length, 1);
});

Deno.test("a rule fires as often in an hour as it may, and not once more", async () => {
  const id = await rules.save({ maxFiresPerHour: 2 });
  const events = [1, 2, 3, 4].map((n) => ({ test: id, n }));
  const { body } = await rules.call("POST", "/evaluate", { events });
  const executed = body.evaluations.map(({ results }: Json) => results[0].executed);
  assert.deepEqual(executed, [true, true, false, false]);
  assert.match(body.evaluations[3].results[0].actionResults[0].error, /^rule\.limit: /);
  assert.equal(rules.received.length, 2);
});

Deno.test("a rule that is not stored like this, or not active, is evaluated and does nothing", async () => {
  const id = await rules.save();
  const { body: stored } = await rules.call("GET", `/${id}`);
  const errorOf = async (rule: unknown) => {
    const { matched, executed, actionResults } = await engine.evaluateRule(rule, { test: id });
    assert.deepEqual([matched, executed], [true, false]);
    return actionResults[0]!.error!.split(":")[0];
  };
  assert.equal(await errorOf({ ...stored, id: "another" }), "rule.not_saved");
  assert.equal(
    await errorOf({ ...stored, action: { type: "webhook", url: rules.receiverUrl, payload: "edited" } }),
    "rule.not_saved",
  );
  const kept = await rules.stack.sql`select from rule_events where data ->> 'test' = ${id}`;
  assert.equal(kept.length, 0, "The other rules may evaluate this event yet");
  assert.equal((await engine.evaluateRule(stored, { test: id })).executed, true);
  const { body: paused } = await rules.call("POST", `/${id}/pause`);
  assert.equal(await errorOf(paused), "rule.paused");
  assert.equal(await errorOf(stored), "rule.not_saved");
  assert.equal(rules.received.length, 1);
});

Deno.test("rules are evaluated by priority, and a first match ends it", async () => {
  const test = crypto.randomUUID();
  const condition = { field: "test", operator: "eq", value: test };
  const save = (id: string, changes: Record<string, unknown>) =>
    rules.save({
      id: `${id}-${test}`,
      condition,
      action: { type: "anchor", eventHash: "{{event}}" },
      ...changes,
    });
  await save("c", { priority: 1 });
  await save("b", { priority: 5, mode: "first_match" });
  await save("a", { priority: 9 });
  await save("d", { priority: 9, condition: { field: "test", operator: "eq", value: "other" } });
  const results = await engine.evaluateAllRules({ test });
  assert.deepEqual(results.map(({ ruleId, matched }) => `${ruleId[0]} ${matched}`), [
    "a true",
    "d false",
    "b true",
  ]);
  const { evaluated, results: matching } = await evaluate({ test }, { dryRun: true });
  assert.deepEqual([evaluated, matching.length], [3, 2]);
});

Deno.test("one rule can be evaluated by its id, and the others see nothing of it", async () => {
  const condition = { field: "lane", operator: "eq", value: 1 };
  const [id, other] = [await rules.save({ condition }), await rules.save({ condition })];
  const { evaluated, results } = await evaluate({ lane: 1 }, { ruleId: id });
  assert.deepEqual([evaluated, results.map(({ ruleId }: Json) => ruleId)], [1, [id]]);
  assert.deepEqual(rules.received.map(({ path }) => path), [`/${id}`]);
  assert.deepEqual((await evaluate({ lane: 2 }, { ruleId: other })).results, []);
  const { status, body } = await rules.call("POST", "/evaluate", { event: {}, ruleId: "no-rule" });
  assert.deepEqual([status, body.error.code], [404, "rule.unknown"]);
});

Deno.test("of the events that one rule was to see, those that it did nothing on are left to the others", async () => {
  const id = await rules.save();
  const events = [id, "another"].map((test) => ({ test, eventId: `${test}-event` }));
  await rules.call("POST", "/evaluate", { events, ruleId: id });
  const stored = await rules.stack.sql`select id from rule_events where id in ${
    rules.stack.sql(events.map(({ eventId }) => eventId))
  }`;
  assert.deepEqual([...stored], [{ id: `${id}-event` }]);
});

Deno.test("the trace says why a rule did not match", async () => {
  const id = await rules.save({
    condition: {
      conditions: [{ field: "lane", operator: "eq", value: 1 }, {
        field: "latencyMs",
        operator: "gt",
        value: 100,
      }],
    },
  });
  const { results, traces: [trace] } = await evaluate({ lane: 1 }, { trace: true, dryRun: true });
  assert.deepEqual([results, trace.ruleId, trace.result], [[], id, "unknown"]);
  assert.deepEqual(trace.conditions.map(({ result, reason }: Json) => [result, reason]), [
    ["true", "it holds"],
    ["unknown", "the field is missing"],
  ]);
});

Deno.test("what fails for now is tried again in the background, as the same message", async () => {
  let isDown = true;
  rules.onWebhook = () => isDown ? 503 : 200;
  const id = await rules.save();
  const { results: [result] } = await evaluate({ test: id });
  assert.equal(result.executed, true);
  assert.match(
    result.actionResults[0].error,
    /^action\.queued: It is tried again later: webhook\.unavailable/,
  );
  isDown = false;
  // The answer does not wait until the channel is given back.
  await eventually(async () => {
    const [tried] = await rules.stack.sql`
      update outbox set not_before = now() where kind = 'action' and delivered_at is null and attempts = 1 returning id`;
    return tried;
  });
  await rules.stack.sql`select private.wake_rules()`;
  const done = await eventually(async () => {
    const [row] = await rules.stack.sql`select state, result from action_runs where rule_id = ${id}`;
    return row!.state === "succeeded" && row;
  });
  assert.deepEqual(done.result, { status: 200 });
  const [first, second] = rules.received.map(({ headers }) => headers["webhook-id"]);
  assert.equal(first, second);
});

Deno.test("a rule that is changed in the SQL editor is what the next event meets", async () => {
  const id = await rules.save();
  assert.equal((await evaluate({ test: id })).results.length, 1);
  const condition = { field: "test", operator: "eq", value: "renamed" };
  await rules.stack.sql`update rules set condition = ${rules.stack.sql.json(condition)} where id = ${id}`;
  assert.equal((await evaluate({ test: id })).results.length, 0);
  assert.equal((await evaluate({ test: "renamed" })).results[0].ruleId, id);
});

Deno.test("a rule that the database took and the engine cannot evaluate is shown, and stops no other", async () => {
  const id = await rules.save();
  const condition = rules.stack.sql.json({ field: "a", operator: "matches", value: "(?<=a)b" });
  const action = rules.stack.sql.json({ type: "anchor", eventHash: "{{event}}" });
  await rules.stack
    .sql`insert into rules (id, name, condition, action) values ('unusable', 'x', ${condition}, ${action})`;
  const { body } = await rules.call("POST", "/evaluate", { event: { test: id } });
  assert.deepEqual(body.evaluations[0].results.map(({ ruleId }: Json) => ruleId), [id]);
  assert.deepEqual(body.unusable.map(({ ruleId }: Json) => ruleId), ["unusable"]);
  const { body: list } = await rules.call("GET", "");
  assert.match(list.unusable[0].errors[0], /^Operator matches /);
});

Deno.test("an action that the database took and cannot be done fails with what is wrong, in a dry run, too", async () => {
  const { sql } = rules.stack;
  const condition = sql.json({ field: "test", operator: "eq", value: "odd" });
  const action = sql.json([{ type: "webhook", link: "https://a.example" }, {
    type: "anchor",
    eventHash: "{{event}}",
  }]);
  await sql`insert into rules (id, name, condition, action) values ('odd', 'x', ${condition}, ${action})`;
  for (const dryRun of [true, false]) {
    const { results: [result] } = await evaluate({ test: "odd" }, { dryRun });
    const [webhook, anchor] = result.actionResults;
    assert.match(webhook.error, /^action\.invalid: .*url/);
    assert.equal(anchor.success, true);
  }
  const { traces } = await evaluate({ test: "odd" }, { trace: true });
  assert.equal(traces[0].result, "true");
});

Deno.test("what is no event, too many of them, or both forms at once is refused, and nothing is stored", async () => {
  const [{ count: before }] = await rules.stack.sql`select count(*)::int from rule_events` as [Json];
  const bodies: unknown[] = [
    {},
    { event: [] },
    { event: "text" },
    { event: null },
    { event: { eventId: 5 } },
    { event: { eventId: "" } },
    { event: { eventId: "audit_log:1" } },
    // No database could keep these as they are.
    { event: { eventId: "a\0b" } },
    { event: { eventId: "\ud800" } },
    { event: { list: JSON.parse("[".repeat(64) + "]".repeat(64)) } },
    { event: {}, events: [{}] },
    { events: [] },
    { events: Array(101).fill({}) },
    { events: [{}, 5] },
    { events: [{}], trace: true },
    { event: {}, dryrun: true },
  ];
  for (const body of bodies) {
    const { status, body: { error } } = await rules.call("POST", "/evaluate", body);
    assert.deepEqual([status, error.code], [422, "request.invalid"], JSON.stringify(body).slice(0, 100));
  }
  const large = await rules.call("POST", "/evaluate", { event: { text: "x".repeat(70_000) } });
  assert.deepEqual([large.status, large.body.error.code], [422, "event.invalid"]);
  const [{ count: after }] = await rules.stack.sql`select count(*)::int from rule_events` as [Json];
  assert.equal(after, before);
});
