/** Crashes at each step of a recovery: nothing is lost, nothing stays stuck, nothing takes effect twice. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { listen, type Listening, readBody } from "../../../scripts/demo/listen.ts";
import { eventually, failureReport, type Healing, startHealing } from "../../../scripts/testing/healing.ts";

const INVALID = { http_status: 400, error_code: "validation_error", error_message: "email is missing" };

/** A provider with idempotency keys whose answers can be held back after the effect. */
let orders: Listening & { effects: string[]; requests: number; hold: boolean };
let healing: Healing;

Deno.test.beforeAll(async () => {
  const keys = new Set<string>();
  const server = await listen(async (request, response: ServerResponse) => {
    await readBody(request);
    orders.requests++;
    const key = String(request.headers["idempotency-key"]);
    if (!keys.has(key)) orders.effects.push(key);
    keys.add(key);
    if (!orders.hold) response.writeHead(200, { connection: "close" }).end('{"ok":true}');
  });
  orders = { ...server, effects: [], requests: 0, hold: false };
  healing = await startHealing({ privateHosts: [server.host] });
});
Deno.test.afterAll(async () => {
  await healing.stop();
  await orders.stop();
});
Deno.test.beforeEach(() => {
  Object.assign(orders, { effects: [], requests: 0, hold: false });
});

async function startRecovery(known: Record<string, unknown> = {}, failure: Record<string, unknown> = {}) {
  const service = await healing.register({ allowed_hosts: [orders.host], ...known });
  const report = failureReport(service, `http://${orders.host}/orders`, failure);
  const answer = healing.post(report);
  const row = await eventually(async () => {
    const found = await healing.recoveryOf(report.event_id);
    return found?.leased_until ? found : undefined;
  });
  return { answer, event_id: report.event_id, recovery_id: row.id as string };
}

const crash = () => healing.stack.killFunction("integration-self-heal");
const endLeases = () =>
  healing.stack.sql`update system_integrity_events set leased_until = now() - interval '1 second'
    where leased_until is not null`;

async function takenOver(event_id: string) {
  assert.equal((await healing.scan()).body.resolved_count, 0, "a lease protects its owner until it ends");
  await endLeases();
  const { body } = await healing.scan();
  assert.deepEqual([body.processed_count, body.resolved_count], [1, 1]);
  const row = await healing.recoveryOf(event_id);
  assert.deepEqual([row!.status, row!.leased_until, row!.epoch], ["resolved", null, 2]);
  assert.deepEqual(orders.effects, [event_id], "the provider saw the key's effect once");
}

Deno.test("a crash after the report was stored, before the call: a scan takes over after the lease", async () => {
  const { answer, event_id } = await startRecovery();
  await crash();
  assert.equal((await answer).status, 500);
  assert.equal(orders.requests, 0);
  await takenOver(event_id);
});

Deno.test("a crash during the call: it is repeated with the same key and has one effect", async () => {
  orders.hold = true;
  const { answer, event_id } = await startRecovery();
  await eventually(() => Promise.resolve(orders.requests === 1));
  await crash();
  assert.equal((await answer).status, 500);
  orders.hold = false;
  await takenOver(event_id);
  assert.equal(orders.requests, 2);
});

Deno.test("a crash after the call, before its result is stored: the effect is not repeated", async () => {
  const { answer, event_id } = await startRecovery();
  await healing.stack.sql.begin(async (sql) => {
    await sql`select from system_integrity_events where event_id = ${event_id} for update`;
    const [waiting] = await eventually(async () => {
      const found = await healing.stack.sql`
        select pid from pg_stat_activity where wait_event_type = 'Lock' and query like '%finish_recoveries%'`;
      return found.length > 0 && found;
    });
    await crash();
    await healing.stack.sql`select pg_terminate_backend(${waiting!.pid})`;
  });
  assert.equal((await answer).status, 500);
  assert.equal(orders.requests, 1);
  await takenOver(event_id);
});

Deno.test("a crash during a call without a key: the call is not repeated, because it may have taken effect", async () => {
  orders.hold = true;
  const { answer, event_id } = await startRecovery({ idempotency_header: null }, { http_status: 429 });
  await eventually(() => Promise.resolve(orders.requests === 1));
  await crash();
  assert.equal((await answer).status, 500);
  orders.hold = false;
  await endLeases();
  const { body } = await healing.scan();
  assert.deepEqual([body.processed_count, body.pending_count], [1, 1]);
  assert.match(body.events[0].action_taken, /may have taken effect/);
  assert.equal(orders.requests, 1);
  assert.equal((await healing.recoveryOf(event_id))!.next_retry_at, null);
});

Deno.test("a worker that lost its lease writes nothing and answers with what the winner wrote", async () => {
  orders.hold = true;
  const { answer, event_id, recovery_id } = await startRecovery();
  await eventually(() => Promise.resolve(orders.requests === 1));
  await endLeases();
  orders.hold = false;
  assert.equal((await healing.scan()).body.resolved_count, 1);
  // The first worker's call ends in a timeout, which it cannot store any more.
  const { body } = await answer;
  assert.deepEqual([body.recovery_id, body.status], [recovery_id, "resolved"]);
  const row = await healing.recoveryOf(event_id);
  assert.deepEqual([row!.status, row!.epoch, row!.failure_category], ["resolved", 2, "network"]);
  assert.deepEqual(orders.effects, [event_id]);
  assert.ok(healing.log.some((line) => line.includes("recovery.lease_lost")));
});

Deno.test("when Postgres crashes under load, everything that was acknowledged is there afterwards", async () => {
  const services = await Promise.all(
    Array.from({ length: 4 }, () => healing.register({ allowed_hosts: [orders.host] })),
  );
  const acknowledged = new Map<string, string>();
  let refused = 0;
  let stop = false;
  const reporter = async (service: string) => {
    while (!stop) {
      const report = failureReport(service, `http://${orders.host}/orders`, INVALID);
      const { status, body } = await healing.post(report);
      if (status === 200) acknowledged.set(report.event_id, body.recovery_id);
      else {
        assert.ok([500, 503, 504].includes(status), `${status} ${JSON.stringify(body)}`);
        refused++;
      }
    }
  };
  const load = Promise.all([...services, ...services].map(reporter));
  await eventually(() => Promise.resolve(acknowledged.size > 50));
  await healing.stack.restartPostgres();
  const before = acknowledged.size;
  await eventually(() => Promise.resolve(acknowledged.size > before + 50));
  stop = true;
  await load;

  assert.ok(refused > 0, "the crash was noticed");
  const ids = [...acknowledged.keys()];
  const rows = await healing.stack
    .sql`select event_id, id from system_integrity_events where event_id = any (${ids})`;
  assert.equal(rows.length, acknowledged.size);
  assert.ok(rows.every((row) => acknowledged.get(row.event_id) === row.id));
});
