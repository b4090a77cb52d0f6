/** Actions while the mode changes: rules, receiver, functions and database are real. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { eventually } from "../../../scripts/testing/healing.ts";
import { type Rules, startRules } from "../../../scripts/testing/rules.ts";

let rules: Rules;
Deno.test.beforeAll(async () => {
  rules = await startRules();
});
Deno.test.afterAll(() => rules.stop());
Deno.test.beforeEach(async () => {
  await rules.stack.sql`update system_mode set mode = 'normal'`;
  await rules.archiveAll();
});

async function run(): Promise<void> {
  const { url, secrets: { secretKey: apikey } } = rules.stack;
  const response = await fetch(`${url}/functions/v1/run-rules`, {
    method: "POST",
    headers: { apikey },
    body: "{}",
  });
  deepEqual([response.status, (await response.json()).actions_done !== undefined], [200, true]);
}

/** As an admiral does; resolves when the barrier stands. */
async function enterSafeMode(): Promise<void> {
  await rules.stack.sql`select enter_safe_mode('a test', 'ops@example.com', 'key:test')`;
}

async function leaveSafeMode(): Promise<void> {
  const { sql } = rules.stack;
  await sql`update system_mode set override_token = 'a-long-enough-token' where id = 1`;
  const [row] =
    await sql`select leave_safe_mode('a-long-enough-token', 'ops@example.com', 'key:test') ->> 'left' as left`;
  equal(row!.left, "true");
}

/** Lets a rule fire on so many events, while nobody may do what it queues. Returns its id. */
async function queue(count: number): Promise<string> {
  const { sql } = rules.stack;
  const id = await rules.save();
  await sql`update notification_channels set leased_until = now() + interval '1 hour' where name = 'webhook'`;
  await sql`insert into rule_events (id, data)
    select ${id} || ':' || n, jsonb_build_object('test', ${id}::text, 'n', n) from generate_series(1, ${count}) n`;
  await eventually(async () => {
    const [row] = await sql`select count(*)::int from action_runs where rule_id = ${id} and state = 'queued'`;
    return row!.count === count;
  });
  return id;
}

const free = () =>
  rules.stack.sql`update notification_channels set leased_until = null where name = 'webhook'`;

/** Resolves when no worker has a batch any more. In safe mode none gets another one. */
const idle = () =>
  eventually(async () =>
    (await rules.stack
      .sql`select from notification_channels where name = 'webhook' and leased_until is null`)[0]
  );

/** How far the runs of a rule are, and how often their messages were tried. */
async function stateOf(id: string) {
  const [row] = await rules.stack.sql`
    select count(*) filter (where a.state = 'queued')::int as queued, count(*) filter (where a.state = 'succeeded')::int as succeeded,
      coalesce(sum(o.attempts) filter (where a.state = 'queued'), 0)::int as tries_of_queued,
      count(*) filter (where a.state = 'failed' or o.failed_at is not null)::int as lost
    from action_runs a join outbox o on o.dedup_key = 'action:' || a.id where a.rule_id = ${id}`;
  return row!;
}

/** What the timer does every minute. */
const tick = () => rules.stack.sql`select private.wake_rules()`;

async function allArrive(id: string, count: number): Promise<void> {
  await tick();
  await eventually(async () => (await stateOf(id)).succeeded === count);
  equal(new Set(rules.received.map(({ headers }) => headers["webhook-id"])).size, count);
  equal(rules.received.length, count, "each exactly once");
}

Deno.test("a batch of twenty that was claimed before safe mode sends nothing after it, and waits untried", async () => {
  const { sql } = rules.stack;
  const id = await queue(20);
  let running: Promise<void>;
  await sql.begin(async (blocker) => {
    await blocker`lock table action_runs in access exclusive mode`;
    await free();
    running = run();
    // The batch is claimed; the worker is about to read what it has to do.
    await eventually(async () =>
      (await sql`select from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%read_action_runs%'`)[
        0
      ]
    );
    await enterSafeMode();
  });
  await running!;
  await idle();
  deepEqual(rules.received, []);
  deepEqual(await stateOf(id), { queued: 20, succeeded: 0, tries_of_queued: 0, lost: 0 });
  const [told] = await sql`select count(*)::int from outbox where kind in ('action_failed', 'failure')`;
  equal(told!.count, 0, "people are not told of each");

  await run();
  deepEqual(rules.received, [], "and nothing of it is claimed again");
  await leaveSafeMode();
  await allArrive(id, 20);
});

Deno.test("safe mode in the middle of sixty: what was not on the wire waits until it is over", async () => {
  const id = await queue(60);
  let entered: Promise<void> | undefined;
  rules.onWebhook = async () => {
    await (entered ??= enterSafeMode());
    return 200;
  };
  await free();
  await run();
  await idle();
  const sent = rules.received.length;
  ok(sent >= 1 && sent <= 20, `${sent} were sent: at most the batch that was on its way`);
  deepEqual(await stateOf(id), { queued: 60 - sent, succeeded: sent, tries_of_queued: 0, lost: 0 });
  await run();
  equal(rules.received.length, sent);
  await leaveSafeMode();
  await allArrive(id, 60);
});

Deno.test("in safe mode events are evaluated and rules fire, and their actions are done afterwards", async () => {
  const id = await rules.save();
  await enterSafeMode();
  await rules.stack.sql`insert into rule_events (id, data) values (${id} || ':1', ${
    rules.stack.sql.json({ test: id })
  })`;
  await eventually(async () => (await stateOf(id)).queued === 1);
  await run();
  deepEqual(rules.received, []);
  await leaveSafeMode();
  await allArrive(id, 1);
});
