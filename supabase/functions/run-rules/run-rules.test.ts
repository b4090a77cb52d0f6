/** Events that are evaluated in the background, exactly once, whatever dies meanwhile. */
import assert from "node:assert/strict";
import { eventually } from "../../../scripts/testing/healing.ts";
import { type Rules, startRules } from "../../../scripts/testing/rules.ts";

let rules: Rules;
Deno.test.beforeAll(async () => {
  rules = await startRules();
});
Deno.test.afterAll(() => rules.stop());
Deno.test.beforeEach(() => rules.archiveAll());

async function run(headers: Record<string, string> = { apikey: rules.stack.secrets.secretKey }) {
  const response = await fetch(`${rules.stack.url}/functions/v1/run-rules`, {
    method: "POST",
    headers,
    body: "{}",
  });
  return { status: response.status, body: await response.json() };
}

/** Posts events for a rule, as the project does in its own transactions; their ids are `prefix:1` to `prefix:count`. */
async function post(prefix: string, count: number): Promise<void> {
  const test = prefix.split(" ")[0]!;
  await rules.stack.sql`insert into rule_events (id, data)
    select ${prefix} || ':' || n, jsonb_build_object('test', ${test}::text, 'n', n) from generate_series(1, ${count}) n`;
}

/** A function that was killed starts anew, and what it had begun may wait for its pause: on a busy machine this adds up. */
const PATIENCE_SECONDS = 120;

/** Resolves when every event is evaluated and every run of the rule has ended. */
async function settled(ruleId: string): Promise<Record<string, number>> {
  const { sql } = rules.stack;
  return await eventually(async () => {
    const [{ open, ...counts }] = await sql<[{ open: number } & Record<string, number>]>`
      select (select count(*)::int from rule_events where evaluated_at is null)
          + (select count(*)::int from action_runs where rule_id = ${ruleId} and state = 'queued') as open,
        (select count(*)::int from rule_matches where rule_id = ${ruleId}) as matches,
        (select count(*)::int from action_runs where rule_id = ${ruleId} and state = 'succeeded') as succeeded`;
    if (open === 0) return counts;
    // As the timer does every minute.
    await run();
  }, PATIENCE_SECONDS);
}

Deno.test("an event that the project inserts is evaluated at once, and its actions are done", async () => {
  const id = await rules.save();
  await post(id, 1);
  await eventually(() => Promise.resolve(rules.received.length === 1));
  assert.deepEqual(rules.received[0]!.body, { event: { test: id, n: 1, eventId: `${id}:1` } });
  assert.deepEqual(await settled(id), { matches: 1, succeeded: 1 });
});

Deno.test("a thousand events are evaluated in a few batches, each once", async () => {
  const id = await rules.save({
    condition: {
      conditions: [{ field: "test", operator: "eq", value: "many" }, {
        field: "n",
        operator: "lte",
        value: 30,
      }],
    },
  });
  await post("many", 1_000);
  assert.deepEqual(await settled(id), { matches: 30, succeeded: 30 });
  const seen = rules.received.map(({ body }) => body.event.n).sort((a, b) => a - b);
  assert.deepEqual(seen, Array.from({ length: 30 }, (_, i) => i + 1));
  const [{ count }] = await rules.stack.sql<[{ count: number }]>`
    select count(*)::int from rule_events where evaluated_at is null`;
  assert.equal(count, 0);
});

Deno.test("what the audit log records is an event, and what rules do is none", async () => {
  const id = await rules.save({ condition: { field: "resource", operator: "eq", value: "rocket:1" } });
  const all = await rules.save({
    condition: { field: "source", operator: "exists" },
    action: { type: "anchor", eventHash: "{{event.eventId}}" },
  });
  await rules.stack.sql`insert into audit_log (subsystem, kind, actor, action, resource, result, payload)
    values ('launch', 'action', 'system', 'rocket.started', 'rocket:1', 'done', '{"thrust": 5}')`;
  // As its timer does every minute; rules by themselves seal less often than tests look.
  await rules.stack.sql`select seal_audit('audit_log')`;
  const [webhook] = await eventually(async () => {
    await run();
    return rules.received.length > 0 && rules.received;
  });
  const { eventId, eventType, source, thrust } = webhook!.body.event;
  assert.match(eventId, /^audit_log:\d+$/);
  assert.deepEqual([eventType, source, thrust], ["rocket.started", "launch", 5]);
  await settled(id);
  await settled(all);
  await run();
  const [{ count }] = await rules.stack.sql<[{ count: number }]>`
    select count(*)::int from rule_matches m join audit_log a on m.event_id = 'audit_log:' || a.immutable_seq
    where a.subsystem = 'rules'`;
  assert.equal(count, 0);
});

/** Kills the worker as a crash does, and ends its leases, as time would. */
async function crash(): Promise<void> {
  await rules.stack.killFunction("run-rules");
  await rules.stack.sql`update notification_channels set leased_until = null where purpose = 'actions'`;
  await rules.stack.sql`update private.event_cursor set leased_until = null`;
}

Deno.test("kill -9 between a receiver's answer and its record: nothing is lost, and what comes again has the same id", async () => {
  const id = await rules.save();
  let kills = 0;
  rules.onWebhook = async () => {
    if (kills < 3 && rules.received.length >= 15 * (kills + 1)) {
      kills++;
      await crash();
    }
    return 200;
  };
  await post(id, 60);
  assert.deepEqual(await settled(id), { matches: 60, succeeded: 60 });
  assert.equal(kills, 3);
  const eventOf = new Map(
    rules.received.map(({ headers, body }) => [headers["webhook-id"], body.event.eventId]),
  );
  assert.deepEqual([eventOf.size, new Set(eventOf.values()).size], [60, 60]);
  assert.ok(rules.received.length > 60, "What a worker sent before it died is sent again");
});

Deno.test("kill -9 while a batch of events is recorded: each event is evaluated once", async () => {
  const id = await rules.save();
  const { sql } = rules.stack;
  const isWaiting = async () => {
    const [row] =
      await sql`select from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%finish_events%'`;
    return row;
  };
  for (const when of ["committed after", "rolled back with"]) {
    await sql.begin(async (blocker) => {
      await blocker`select from rules where id = ${id} for update`;
      await post(`${id} ${when}`, 10);
      await eventually(isWaiting);
      if (when === "rolled back with") {
        await sql`select pg_terminate_backend(pid) from pg_stat_activity where query ilike '%finish_events%' and pid <> pg_backend_pid()`;
      }
      await rules.stack.killFunction("run-rules");
    });
    await eventually(async () => !await isWaiting());
    await crash();
  }
  assert.deepEqual(await settled(id), { matches: 20, succeeded: 20 });
  assert.equal(new Set(rules.received.map(({ body }) => body.event.eventId)).size, 20);
});

Deno.test("the background and the API on the same events fire each rule once", async () => {
  const id = await rules.save();
  const events = Array.from({ length: 40 }, (_, n) => ({ eventId: `both-${id}:${n}`, test: id, n }));
  const insert = rules.stack.sql`insert into rule_events (id, data)
    select e ->> 'eventId', e from jsonb_array_elements(${
    rules.stack.sql.json(events)
  }) e on conflict do nothing`;
  const calls = events.map((event) => rules.call("POST", "/evaluate", { event }));
  const [answers] = await Promise.all([Promise.all(calls), insert, run(), run()]);
  assert.deepEqual(await settled(id), { matches: 40, succeeded: 40 });
  assert.deepEqual(
    new Set(answers.map(({ body }) => body.evaluations[0].results[0].executed)),
    new Set([true]),
  );
  assert.equal(new Set(rules.received.map(({ headers }) => headers["webhook-id"])).size, 40);
  assert.equal(rules.received.length, 40);
});

Deno.test("only holders of a secret key and internal callers may run it", async () => {
  assert.equal((await run({})).status, 401);
  assert.equal((await run({ apikey: rules.stack.secrets.publishableKey })).status, 401);
  const { status, body } = await run({ "x-internal-token": rules.stack.secrets.internalWebhookToken });
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(body), [
    "events",
    "matches",
    "actions_done",
    "actions_held",
    "unusable_rules",
  ]);
});
