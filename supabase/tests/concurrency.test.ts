/** What must hold when many workers use the database at once; every worker has a connection of its own. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import postgres, { type JSONValue, type Sql } from "postgres";
import { testDatabase } from "../../scripts/testing/stack.ts";

const database = await testDatabase();
const workers = 16;
const sql = postgres(database.url, { max: 32, onnotice: () => {} });

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

interface Work {
  recovery_id: string;
  epoch: number;
}

interface Answer {
  event_id: string;
  recovery_id: string;
  state: string;
  work: Work | null;
}

interface Batch {
  channel: string;
  epoch: number;
  messages: { id: number }[];
}

function report(serviceName: string, eventId: string, more: Record<string, JSONValue> = {}) {
  return {
    event_id: eventId,
    service_name: serviceName,
    category: "unknown",
    fingerprint: "f",
    error_message: "It failed.",
    confidence: 0.5,
    signals: [],
    retry_count: 0,
    request: { method: "GET", url: "https://api.example.com/" },
    plan: { step: "recover", action_taken: "Repeat the call", attempts: 1 },
    ...more,
  };
}

/** Calls a function of the database and returns its one value. */
async function call<T>(db: Sql, name: string, ...args: unknown[]): Promise<T> {
  const text = `select ${name}(${args.map((_, index) => `$${index + 1}`).join(", ")}) as value`;
  const [row] = await db.unsafe(text, args as never[]);
  return row!.value as T;
}

const reportFailures = (db: Sql, reports: unknown[]) => call<Answer[]>(db, "report_failures", reports);
const claim = (db: Sql, limit: number) => call<Work[]>(db, "claim_recoveries", limit);

function finish(db: Sql, work: Work[], outcome: () => string): Promise<{ accepted: boolean }[]> {
  return call(
    db,
    "finish_recoveries",
    work.map(({ recovery_id, epoch }) => ({
      recovery_id,
      epoch,
      outcome: outcome(),
      action_taken: "Repeated the call",
      attempts: 1,
      delay_seconds: 0,
      reached_provider: true,
    })),
  );
}

async function register(serviceName: string, columns: Record<string, JSONValue> = {}): Promise<void> {
  await sql`insert into integrations_master ${sql({ service_name: serviceName, ...columns } as never)}`;
}

/** Groups and failures that contradict each other; there must be none, whatever happened at once. */
async function contradictions() {
  return await sql`
    select g.id, g.service_name, g.closed_at is null as is_open, count(e.id) filter (where e.status <> 'resolved')::int as open_failures
    from failure_groups g left join system_integrity_events e on e.group_id = g.id
    group by g.id having (g.closed_at is null) <> (count(e.id) filter (where e.status <> 'resolved') > 0)`;
}

for (const kind of ["a registered", "an unregistered"]) {
  Deno.test(`of 32 copies of one event of ${kind} service that arrive at once, one is processed`, async () => {
    const service = `copies-${randomUUID()}`;
    if (kind === "a registered") await register(service);
    const eventId = randomUUID();
    await sql`insert into integration_events (id, service_name, status) values (${eventId}, ${service}, 'error')`;

    const answers = (await Promise.all(
      Array.from({ length: 32 }, () => reportFailures(sql, [report(service, eventId)])),
    )).flat();

    const processed = answers.filter(({ state }) => state === "claimed" || state === "recorded");
    equal(processed.length, 1);
    equal(new Set(answers.map((answer) => answer.recovery_id)).size, 1, "all hear of the same recovery");
    equal(answers.length, 32);
    deepEqual(await contradictions(), []);
  });
}

Deno.test("a copy that waits while the event is recorded and resolved leaves no open group behind", async () => {
  const service = `late-copy-${randomUUID()}`;
  const eventId = randomUUID();
  await sql`insert into integration_events (id, service_name, status) values (${eventId}, ${service}, 'error')`;
  const first = await sql.reserve();
  await first`begin`;
  await call(first, "report_failures", [report(service, eventId)]);
  const copy = reportFailures(sql, [report(service, eventId)]);
  await until(async () => (await sql`select from pg_locks where not granted`).length > 0);
  await first`insert into integration_events (service_name, status) values (${service}, 'success')`;
  await first`commit`;
  first.release();

  equal((await copy)[0]!.state, "duplicate");
  deepEqual(await contradictions(), []);
});

Deno.test("a due recovery is leased once, and a service gets no more workers than it bears", async () => {
  const service = `leases-${randomUUID()}`;
  await register(service, {
    max_concurrent_recoveries: 7,
    retry_budget_capacity: 1000,
    retry_tokens: 1000,
  });
  await sql`insert into system_integrity_events (event_id, service_name, failure_category, next_retry_at)
    select gen_random_uuid(), ${service}, 'unknown', now() from generate_series(1, 100)`;

  const claimed = (await Promise.all(Array.from({ length: workers }, () => claim(sql, 3)))).flat();

  equal(new Set(claimed.map((work) => work.recovery_id)).size, claimed.length);
  equal(claimed.length, 7);
  await finish(sql, claimed, () => "resolved");
  let resolved = claimed.length;
  while (resolved < 100) {
    const rounds = await Promise.all(Array.from({ length: workers }, () => claim(sql, 3)));
    const work = rounds.flat();
    ok(work.length > 0 && work.length <= 7, `${work.length} at once`);
    const answers = await Promise.all(work.map((item) => finish(sql, [item], () => "resolved")));
    resolved += answers.flat().filter(({ accepted }) => accepted).length;
  }
  equal(resolved, 100);
  deepEqual(await claim(sql, 100), []);
});

Deno.test("a failure that arrives while its group is being closed is told and stays open", async () => {
  for (let round = 0; round < 40; round++) {
    const service = `closing-${randomUUID()}`;
    if (round % 2 === 0) await register(service);
    const told = report(service, randomUUID(), { plan: { step: "tell", action_taken: "Tell people" } });
    await reportFailures(sql, [told]);
    await Promise.all([
      sql`insert into integration_events (service_name, status) values (${service}, 'success')`,
      reportFailures(sql, [{ ...told, event_id: randomUUID() }]),
      reportFailures(sql, [{ ...told, event_id: randomUUID() }]),
    ]);
    const untold = await sql`
      select g.id from failure_groups g where g.service_name = ${service}
        and not exists (select from outbox o where o.dedup_key = 'group:' || g.id || ':failure' or g.closed_at is not null)`;
    deepEqual([...untold], []);
  }
  deepEqual(await contradictions(), []);
});

Deno.test("calls and failures of several integrations that come together never wait for each other in a circle", async () => {
  // The rows lie in the table in another order than that of the names.
  const services = ["z", "m", "a"].map((name) => `${name}-${randomUUID()}`);
  for (const service of services) await register(service);
  for (let round = 0; round < 60; round++) {
    await sql`update integrations_master set retry_tokens = retry_budget_capacity where service_name in ${
      sql(services)
    }`;
    const calls = services.map((service_name) => ({
      service_name,
      event_type: "call",
      status: pick(["success", "error"]),
    }));
    await Promise.all(
      Array.from(
        { length: workers },
        (_, worker) =>
          worker % 2 === 0 ? call(sql, "record_integration_events", calls) : reportFailures(
            sql,
            services.map((service) => report(service, randomUUID())),
          ),
      ),
    );
  }
});

Deno.test("failures of services that nobody registered never wait for their own settling in a circle", async () => {
  const service = `unregistered-${randomUUID()}`;
  const failures = () =>
    ["a", "b", "c", "d", "e"].map((fingerprint) => report(service, randomUUID(), { fingerprint }));
  for (let round = 0; round < 120; round++) {
    await Promise.all(
      Array.from({ length: workers }, (_, worker) =>
        worker % 2 === 0
          ? reportFailures(
            sql,
            failures().filter(() => dice(2) === 0),
          )
          : sql`insert into integration_events (service_name, status) values (${service}, 'success')`),
    );
  }
  deepEqual(await contradictions(), []);
});

Deno.test("integrations that fail together are not disabled beyond their share", async () => {
  await sql`select enable_integration(service_name, 'Ada') from integrations_master where not enabled`;
  await sql`update settings set value = '0' where name = 'max_auto_disabled_share'`;
  const services = Array.from({ length: workers }, () => `share-${randomUUID()}`);
  for (const service of services) await register(service);

  const outage = (service: string) =>
    Array.from({ length: 5 }, () => report(service, randomUUID(), { request: null }));
  await Promise.all(services.map((service) => reportFailures(sql, outage(service))));

  const disabled = await sql`select service_name from integrations_master where not enabled`;
  equal(disabled.length, 1, "one may always be disabled");
  await sql`update settings set value = '0.5' where name = 'max_auto_disabled_share'`;
});

Deno.test("messages are delivered once and in order, however many workers deliver", async () => {
  await sql`delete from outbox`;
  await sql`select private.tell('failure', 'number ' || n, jsonb_build_object('number', n)) from generate_series(1, 150) n`;
  const delivered: number[] = [];
  await Promise.all(Array.from({ length: workers }, async () => {
    while (delivered.length < 150) {
      for (const { channel, epoch, messages } of await call<Batch[]>(sql, "claim_outbox", ["slack"], 7)) {
        delivered.push(...messages.map(({ id }) => Number(id)));
        await call(
          sql,
          "finish_outbox",
          channel,
          epoch,
          messages.map(({ id }) => ({ id, outcome: "delivered" })),
        );
      }
    }
  }));
  equal(delivered.length, 150);
  deepEqual(delivered, delivered.toSorted((a, b) => a - b));
});

Deno.test("a transaction that writes a message does not keep the others from being delivered", async () => {
  await sql`delete from outbox`;
  await sql`update notification_channels set leased_until = null`;
  await sql`select private.tell('failure', ${randomUUID()}, '{}')`;
  const writer = await sql.reserve();
  await writer`begin`;
  await writer`select private.tell('failure', ${randomUUID()}, '{}')`;
  const [batch] = await call<Batch[]>(sql, "claim_outbox", ["slack"], 10);
  await writer`rollback`;
  writer.release();
  equal(batch?.messages.length, 1);
  await call(sql, "finish_outbox", "slack", batch!.epoch, [{
    id: batch!.messages[0]!.id,
    outcome: "delivered",
  }]);
});

Deno.test("sixteen workers that do everything at once never deadlock and lose nothing", async () => {
  const run = randomUUID().slice(0, 8);
  const services = ["a", "b", "c", "unregistered"].map((name) => `mix-${run}-${name}`);
  for (const service of services.slice(0, 3)) {
    await register(service, { oauth_config: {}, retry_budget_capacity: 50, retry_tokens: 50 });
    await sql`select save_grant(${service}, null, gen_random_uuid(), tests.jwe(), tests.jwe(), 60)`;
  }
  const events = Array.from({ length: 400 }, () => ({
    id: randomUUID(),
    service: pick(services),
    category: pick(["auth", "rate_limit", "network", "data", "unknown"]),
  }));
  const leases: string[] = [];
  const outcome = () => pick(["resolved", "failed", "waiting", "gave_up"]);

  const steps: (() => Promise<unknown>)[] = [
    async () => {
      const chosen = Array.from({ length: 1 + dice(5) }, () => pick(events));
      const answers = await reportFailures(
        sql,
        chosen.map(({ id, service, category }) =>
          report(service, id, { category, fingerprint: pick(["f", "g"]) })
        ),
      );
      const work = answers.flatMap((answer) => answer.state === "claimed" ? [answer.work!] : []);
      leases.push(...work.map(({ recovery_id, epoch }) => `${recovery_id} ${epoch}`));
      if (work.length > 0) await finish(sql, work, outcome);
    },
    async () => {
      const work = await claim(sql, 1 + dice(10));
      leases.push(...work.map(({ recovery_id, epoch }) => `${recovery_id} ${epoch}`));
      if (work.length > 0) await finish(sql, work, outcome);
    },
    () =>
      call(
        sql,
        "record_integration_events",
        Array.from({ length: 1 + dice(4) }, () => ({
          service_name: pick(services),
          event_type: "call",
          status: pick(["success", "error", "success"]),
        })),
      ),
    async () => {
      const service = pick(services.slice(0, 3));
      const [claimed] = await sql`
        select c ->> 'grant_id' as id, (c ->> 'epoch')::int as epoch, (c ->> 'token_version')::int as version
        from claim_refresh(${service}, null, 0, 60) c`;
      if (dice(2)) await sql`select fail_refresh(${claimed!.id}, ${claimed!.epoch}, 'transient', 'x')`;
      else {
        await sql`select store_refreshed_grant(${claimed!.id}, ${claimed!.epoch}, ${
          claimed!.version
        }, tests.jwe(), null, 60)`;
      }
      await sql`select save_grant(${service}, null, ${claimed!.id}, tests.jwe(), tests.jwe(), 60)`;
    },
    async () => {
      const [open] = await sql`
        select id from system_integrity_events where service_name in ${sql(services)} and status <> 'resolved'
        order by md5(id::text || ${randomUUID()}) limit 1`;
      if (open) await sql`select resolve_recovery(${open.id}, 'Ada')`.catch(ignoreUnknownRecovery);
    },
    () => sql`select enable_integration(${pick(services.slice(0, 3))}, 'Ada')`,
    async () => {
      for (const batch of await call<Batch[]>(sql, "claim_outbox", ["slack", "teams"], 20)) {
        const results = batch.messages.map(({ id }) => ({ id, outcome: "delivered" }));
        await call(sql, "finish_outbox", batch.channel, batch.epoch, results);
      }
    },
  ];

  const deadline = Date.now() + 60_000;
  await Promise.all(Array.from({ length: workers }, async () => {
    for (let step = 0; step < 60; step++) {
      ok(Date.now() < deadline, "the workers are stuck");
      await pick(steps)();
    }
  }));

  equal(new Set(leases).size, leases.length, "no lease was given twice");
  deepEqual(await contradictions(), []);
  const ours = sql`service_name in ${sql(services)}`;
  deepEqual([
    ...await sql`select event_id from system_integrity_events where ${ours} group by 1 having count(*) > 1`,
  ], []);
  deepEqual(
    [...await sql`select id from system_integrity_events where ${ours} and leased_until is not null`],
    [],
  );
  deepEqual([
    ...await sql`select service_name from integrations_master
      where ${ours} and (retry_tokens < 0 or retry_tokens > retry_budget_capacity)`,
  ], []);
  deepEqual(
    [
      ...await sql`
      select g.id from failure_groups g where ${ours} and g.closed_at is not null
        and exists (select from outbox o where o.dedup_key in ('group:' || g.id || ':failure', 'group:' || g.id || ':unrecovered'))
        and not exists (select from outbox o where o.dedup_key = 'group:' || g.id || ':recovered')`,
    ],
    [],
    "who was told of a failure was told of its end",
  );
});

function ignoreUnknownRecovery(error: { code?: string }): void {
  if (error.code !== "PT404") throw error;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!await condition()) ok(Date.now() < deadline, "the condition was never met");
}

function dice(sides: number): number {
  return Math.floor(Math.random() * sides);
}

function pick<T>(choices: T[]): T {
  return choices[dice(choices.length)]!;
}
