/** Every event is evaluated once: whoever posts, evaluates, commits late or dies at the same time. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  call,
  type Claim,
  connect,
  contradictions,
  createRules,
  killBackend,
  match,
  rulesDatabase,
  until,
  work,
} from "./rules-database.ts";

const database = await rulesDatabase(24);
const { sql } = database;
await createRules(sql, ["every"], { maxFiresPerHour: null });

Deno.test.afterAll(() => database.stop());

const claim = (limit = 500, leaseSeconds = 30) =>
  call<Claim | null>(sql, "claim_events", limit, leaseSeconds);
const finish = ({ epoch, events }: Claim) =>
  call<boolean>(
    sql,
    "finish_events",
    epoch,
    events.map(({ id }) => id),
    events.map(({ id }) => match("every", id)),
  );
const idsOf = (claimed: Claim | null) => claimed?.events.map(({ id }) => id) ?? [];
const sealed = () => call<[{ waiting: number }]>(sql, "seal_audit", "audit_log");

/** The entries that rules see, as ids of events. */
async function entries(): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select 'audit_log:' || immutable_seq as id from audit_log where subsystem <> 'rules' order by immutable_seq`;
  return rows.map(({ id }) => id);
}

/** Works until nothing is left; what was accepted. */
async function workAll(limit = 500): Promise<string[]> {
  const accepted: string[] = [];
  for (let ids = await work(sql, "every", limit); ids; ids = await work(sql, "every", limit)) {
    accepted.push(...ids);
  }
  return accepted;
}

function log(db = sql) {
  return db`insert into audit_log (subsystem, actor, action, resource, result) values ('doors', 'system', 'door.opened', 'door:1', 'open')`;
}

Deno.test("a log that cannot be sealed at the moment does not stop the events that were posted", async () => {
  await log();
  const sealer = connect(database.url, 1);
  await sealer`begin`;
  await sealer`select from immutable_tables where name = 'audit_log' for update`;
  await call(sql, "record_events", [{ id: "posted", data: {} }]);
  deepEqual(await workAll(), ["posted"]);
  await sealer`rollback`;
  await sealer.end();
  deepEqual(await workAll(), await entries(), "nobody else sealed it");
});

Deno.test("events that many post while many workers evaluate are each evaluated once", async () => {
  const ids = Array.from({ length: 1200 }, () => randomUUID());
  let posting = true;
  const accepted: string[] = [];
  const worker = async () => {
    while (posting) accepted.push(...(await work(sql, "every", 50)) ?? []);
  };
  const workers = Array.from({ length: 6 }, worker);
  await Promise.all(Array.from({ length: 8 }, async (_, poster) => {
    for (let i = poster * 150; i < (poster + 1) * 150; i += 3) {
      await call(sql, "record_events", ids.slice(i, i + 3).map((id) => ({ id, data: {} })));
    }
  }));
  posting = false;
  await Promise.all(workers);
  accepted.push(...await workAll());

  deepEqual(accepted.toSorted(), ids.toSorted());
  const [left] = await sql`select count(*)::int from rule_events where evaluated_at is null`;
  equal(left!.count, 0);
  deepEqual(await contradictions(sql), []);
});

Deno.test("what a worker finishes after another one took over is refused", async () => {
  await call(sql, "record_events", [{ id: "taken-over", data: {} }]);
  const slow = await claim(500, 0);
  const next = await claim();
  deepEqual([idsOf(slow), idsOf(next)], [["taken-over"], ["taken-over"]]);
  equal(await finish(slow!), false);
  equal(await finish(next!), true);
  equal(await finish(next!), false);
  equal(await claim(), null);
});

Deno.test("an entry whose transaction commits late is evaluated, and so are those with greater numbers", async () => {
  await sealed();
  await workAll();
  const before = await entries();
  const late = connect(database.url, 1);
  await late`begin`;
  await log(late);
  await log();
  await sealed();
  deepEqual(idsOf(await claim()), [], "the number before it is not decided yet");
  await late`commit`;
  await late.end();
  await sealed();
  const claimed = await claim();
  deepEqual(idsOf(claimed), (await entries()).slice(before.length));
  equal(idsOf(claimed).length, 2);
  equal(await finish(claimed!), true);
  equal(await claim(), null);
});

Deno.test("entries of many writers, some of which give up, are each evaluated once; what rules did is not", async () => {
  const before = (await entries()).length;
  let writing = true;
  const accepted: string[] = [];
  const sealer = (async () => {
    while (writing) await sealed();
  })();
  const workers = Array.from({ length: 4 }, async () => {
    while (writing) accepted.push(...(await work(sql, "every", 20)) ?? []);
  });
  await Promise.all(Array.from({ length: 8 }, async (_, writer) => {
    for (let i = 0; i < 40; i++) {
      const transaction = sql.begin(async (db) => {
        await log(db as unknown as typeof sql);
        if (i % 4 === writer % 4) throw new Error("given up");
        await db`select private.audit('rules', 'system', 'action.succeeded', 'rule:every', 'succeeded')`;
      });
      await (i % 4 === writer % 4 ? rejects(transaction, /given up/) : transaction);
    }
  }));
  writing = false;
  await Promise.all([sealer, ...workers]);
  equal((await sealed())[0].waiting, 0);
  accepted.push(...await workAll());

  const expected = (await entries()).slice(before);
  equal(expected.length, 240);
  deepEqual(accepted.toSorted(), expected.toSorted());
  deepEqual(await contradictions(sql), []);
});

Deno.test("a worker that is killed while it finishes has done nothing, and the next one does it", async () => {
  await call(sql, "record_events", [{ id: "killed", data: {} }]);
  await log();
  await sealed();
  const victim = connect(database.url, 1);
  const [{ pid }] = await victim<[{ pid: number }]>`select pg_backend_pid() as pid`;
  const claimed = (await call<Claim | null>(victim, "claim_events", 500, 1))!;
  equal(claimed.events.length, 2);
  await victim`begin`;
  equal(
    await call(
      victim,
      "finish_events",
      claimed.epoch,
      idsOf(claimed),
      idsOf(claimed).map((id) => match("every", id)),
    ),
    true,
  );
  await killBackend(database.url, pid);
  await victim.end({ timeout: 0 });

  let again: Claim | null = null;
  await until(async () => (again = await claim().catch(() => null)) !== null);
  deepEqual(idsOf(again), idsOf(claimed));
  equal(await finish(claimed), false);
  equal(await finish(again!), true);
  const [runs] = await sql`select count(*)::int from action_runs where event_id = any (${idsOf(claimed)})`;
  equal(runs!.count, 2);
  deepEqual(await contradictions(sql), []);
});

Deno.test("where no rule is active, events are passed over, and a rule that comes later does not see them", async () => {
  await call(sql, "set_rule_status", "every", "paused", "ada");
  await call(sql, "record_events", Array.from({ length: 1000 }, () => ({ data: {} })));
  await log();
  await sealed();
  equal(await claim(), null);
  await call(sql, "set_rule_status", "every", "active", "ada");
  equal(await claim(), null);
  await call(sql, "record_events", [{ id: "seen", data: {} }]);
  deepEqual(await workAll(), ["seen"]);
});

Deno.test("an event that is posted behind a rule that becomes active is not passed over by who saw no rule", async () => {
  await call(sql, "set_rule_status", "every", "paused", "ada");
  const poster = connect(database.url, 1);
  await poster`begin`;
  await poster`lock table rule_events`;
  const passingOver = claim();
  await until(async () => (await sql`select from pg_locks where not granted`).length > 0);
  await call(poster, "set_rule_status", "every", "active", "ada");
  await call(poster, "record_events", [{ id: "behind", data: {} }]);
  await poster`commit`;
  await poster.end();
  equal(await passingOver, null);
  deepEqual(await workAll(), ["behind"]);
});
