/** A match fires once, and never more often than its rule permits, however many report it at once. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  claim,
  connect,
  contradictions,
  createRules,
  evaluate,
  type Firing,
  killBackend,
  match,
  rulesDatabase,
  until,
} from "./rules-database.ts";

const database = await rulesDatabase(64);
const { sql } = database;
// Those who report at the same time must not first have to connect.
for (const connection of await Promise.all(Array.from({ length: 64 }, () => sql.reserve()))) {
  connection.release();
}

Deno.test.afterAll(() => database.stop());

/** Many different events that match one rule, all at the same time. */
async function outcomes(ruleId: string, events: number): Promise<Record<string, number>> {
  const answers = await Promise.all(
    Array.from({ length: events }, () => evaluate(sql, randomUUID(), [ruleId])),
  );
  const counts: Record<string, number> = {};
  for (const { outcome, reason } of answers.flat()) {
    counts[reason ?? outcome] = (counts[reason ?? outcome] ?? 0) + 1;
  }
  return counts;
}

Deno.test("of 64 events that match a rule with a cooldown at the same time, one fires", async () => {
  await createRules(sql, ["calm"], { cooldownSeconds: 3600 });
  deepEqual(await outcomes("calm", 64), { fired: 1, "rule.cooldown": 63 });
  deepEqual(await contradictions(sql), []);
});

Deno.test("of 64 events that match a rule limited to 10 an hour at the same time, 10 fire", async () => {
  await createRules(sql, ["limited"], { maxFiresPerHour: 10 });
  deepEqual(await outcomes("limited", 64), { fired: 10, "rule.limit": 54 });
  deepEqual(await outcomes("limited", 8), { "rule.limit": 8 });
  deepEqual(await contradictions(sql), []);
});

Deno.test("one event that is reported 64 times at once fires once, and everybody hears the same", async () => {
  await createRules(sql, ["one", "two"]);
  const id = randomUUID();
  const answers = await Promise.all(Array.from({ length: 64 }, () => evaluate(sql, id, ["two", "one"])));
  deepEqual([...new Set(answers.map((answer) => JSON.stringify(answer)))].length, 1);
  deepEqual(answers[0]!.map(({ rule_id, outcome }) => [rule_id, outcome]), [["two", "fired"], [
    "one",
    "fired",
  ]]);
  deepEqual(await contradictions(sql), []);
});

Deno.test("reports of the same rules and events in any order do not block each other", async () => {
  const rules = Array.from({ length: 12 }, (_, index) => `any-order-${index}`);
  const events = Array.from({ length: 12 }, () => randomUUID());
  await createRules(sql, rules, { maxFiresPerHour: 5 });
  const shuffled = <T>(list: T[]) => list.toSorted(() => Math.random() - 0.5);
  await Promise.all(Array.from({ length: 96 }, () => evaluateAll(shuffled(events), shuffled(rules))));
  const fired = await sql`
    select rule_id, count(*)::int from rule_matches where outcome = 'fired' and rule_id like 'any-order-%' group by 1 having count(*) <> 5`;
  deepEqual([...fired], []);
  deepEqual(await contradictions(sql), []);
});

async function evaluateAll(events: string[], rules: string[]): Promise<void> {
  const matches = events.flatMap((event) => rules.slice(0, 3).map((rule) => match(rule, event)));
  await sql`select evaluate_events(${sql.json(events.map((id) => ({ id, data: {} })))}, ${
    sql.json(matches)
  })`;
}

Deno.test("a rule that is paused while its matches are reported fires before or not at all", async () => {
  await createRules(sql, ["paused"]);
  const reports = Array.from({ length: 48 }, () => evaluate(sql, randomUUID(), ["paused"]));
  const pausing = sql`select set_rule_status('paused', 'paused', 'ada')`;
  const answers = (await Promise.all(reports)).flat();
  await pausing;
  equal(answers.every(({ outcome, reason }) => outcome === "fired" || reason === "rule.paused"), true);
  const [late] = await sql<{ count: number }[]>`
    select count(*)::int from rule_matches m join rule_versions v on v.rule_id = m.rule_id and v.version = 2
    where m.rule_id = 'paused' and m.outcome = 'fired'
      and m.matched_at > (select min(n.matched_at) from rule_matches n where n.rule_id = 'paused' and n.outcome = 'suppressed')`;
  equal(late!.count, 0);
  equal((await evaluate(sql, randomUUID(), ["paused"]))[0]!.reason, "rule.paused");
});

Deno.test("an event that a worker has claimed and somebody reports meanwhile fires once", async () => {
  await createRules(sql, ["both"]);
  const ids = Array.from({ length: 50 }, () => randomUUID());
  await sql`select record_events(${sql.json(ids.map((id) => ({ id, data: {} })))})`;
  const finish = await claim(sql, "both", 500);
  const [background, ...reported] = await Promise.all([
    finish!(),
    ...ids.map((id) => evaluate(sql, id, ["both"])),
  ]);
  deepEqual(new Set(background.filter((id) => !id.startsWith("audit_log:"))), new Set(ids));
  equal(reported.length, 50);
  const [found] = await sql`
    select count(*)::int from action_runs where rule_id = 'both' and event_id not like 'audit_log:%'`;
  equal(found!.count, 50);
  deepEqual(await contradictions(sql), []);
});

Deno.test("a server process that is killed before its commit leaves nothing behind, and the repetition fires", async () => {
  await createRules(sql, ["killed"], { maxFiresPerHour: 1 });
  const id = randomUUID();
  const victim = connect(database.url, 1);
  const [{ pid }] = await victim<[{ pid: number }]>`select pg_backend_pid() as pid`;
  await victim`begin`;
  equal((await evaluate(victim, id, ["killed"]))[0]!.outcome, "fired");
  const waiting = rejects(evaluate(sql, id, ["killed"]));
  await until(async () => (await sql`select from pg_locks where not granted`).length > 0);

  await killBackend(database.url, pid);
  await victim.end({ timeout: 0 });
  await waiting;
  deepEqual([
    ...await sql`select from rule_events where id = ${id}`,
    ...await sql`select from rule_matches where event_id = ${id}`,
  ], []);

  const again: Firing[] = await evaluate(sql, id, ["killed"]);
  deepEqual(again.map(({ outcome, runs }) => [outcome, runs.length]), [["fired", 1]]);
  deepEqual(await evaluate(sql, id, ["killed"]), again);
  deepEqual(await contradictions(sql), []);
});
