import assert from "node:assert/strict";
import { type Receiver, startReceiver } from "../../../scripts/demo/receiver.ts";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { testStack } from "../../../scripts/testing/stack.ts";

let stack: Stack;
let receiver: Receiver;

Deno.test.beforeAll(async () => {
  receiver = await startReceiver();
  stack = await testStack({
    EGRESS_PRIVATE_HOSTS: receiver.host,
    SLACK_WEBHOOK_URL: receiver.slackUrl,
    MICROSOFT_TEAMS_WEBHOOK_URL: receiver.teamsUrl,
  });
  // Messages about failures go to the same receiver; here only the alerts themselves are looked at.
  await stack.sql`update public.notification_channels set enabled = false`;
});
Deno.test.afterAll(async () => {
  await stack.stop();
  await receiver.stop();
});
Deno.test.beforeEach(async () => {
  await stack.sql`truncate public.integration_events, public.system_integrity_events, public.failure_groups`;
  await stack.sql`delete from public.integrations_master`;
  await stack.sql`insert into public.integrations_master (service_name, allowed_hosts)
    values ('slack', ${[receiver.host]}), ('teams', ${[receiver.host]})`;
  receiver.received.length = 0;
  receiver.attempts.length = 0;
});

async function alert(
  name: string,
  headers: Record<string, string> = {},
  body: unknown = { message: "test" },
) {
  const response = await fetch(`${stack.url}/functions/v1/${name}`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.secrets.anonKey}`, ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** The first row of a query as soon as there is one. */
async function eventually<Row>(query: () => Promise<Row[]>): Promise<Row> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    const [row] = await query();
    if (row) return row;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("The row did not come within 15 s");
}

for (const [name, service] of [["slack-alert", "slack"], ["teams-alert", "teams"]] as const) {
  Deno.test(`${name}: a message reaches people and is recorded`, async () => {
    const { status, body } = await alert(name, {}, { message: "Disk <full> & hot" });
    assert.deepEqual([status, body], [200, { success: true }]);
    const escaped = service === "slack" ? "Disk &lt;full&gt; &amp; hot" : "Disk <full> & hot";
    assert.deepEqual(receiver.received, [{ channel: service, text: escaped }]);
    const event = await eventually(() =>
      stack.sql`select service_name, event_type, status, http_status from public.integration_events`
    );
    assert.deepEqual([event.service_name, event.event_type, event.status], [
      service,
      "alert.sent",
      "success",
    ]);
  });

  Deno.test(`${name}: a failure is answered, recorded, and healed by sending the message again`, async () => {
    receiver.refuse(service, [{ status: 429, headers: { "retry-after": "1" } }]);
    const { status, body } = await alert(name, {}, { message: "second try" });
    assert.deepEqual([status, body.error.code], [502, "integration.failed"]);
    const { event_id } = body.error.details;
    const healed = await eventually(() =>
      stack.sql`select failure_category, action_taken from public.system_integrity_events
        where event_id = ${event_id} and status = 'resolved'`
    );
    assert.equal(healed.failure_category, "rate_limit");
    assert.deepEqual(receiver.received, [{ channel: service, text: "second try" }]);
  });

  const forced: [kind: string, status: number, message: string, category: string][] = [
    ["auth", 401, "Token expired", "auth"],
    ["rate_limit", 429, "Too many requests", "rate_limit"],
    ["network", 503, "Service temporarily unavailable", "network"],
    ["data", 400, "Invalid payload structure", "data"],
  ];
  Deno.test(`${name}: a forced rate limit is healed: the message arrives after all`, async () => {
    const { headers } = await alert(name, { "x-force-failure": "rate_limit" }, { message: "after all" });
    const eventId = headers.get("x-event-id");
    await eventually(() =>
      stack
        .sql`select from public.system_integrity_events where event_id = ${eventId} and status = 'resolved'`
    );
    assert.deepEqual(receiver.received, [{ channel: service, text: "after all" }]);
  });

  Deno.test(`${name}: forced failures look, are recorded and are classified like real ones`, async () => {
    for (const [kind, expected, message, category] of forced) {
      const { status, body, headers } = await alert(name, { "x-force-failure": kind });
      assert.deepEqual([status, body], [expected, { error: message }]);
      const eventId = headers.get("x-event-id");
      const recovery = await eventually(() =>
        stack.sql`select r.service_name, r.failure_category, e.event_type, e.http_status, e.payload
          from public.system_integrity_events r join public.integration_events e on e.id = r.event_id
          where r.event_id = ${eventId} and r.leased_until is null`
      );
      assert.deepEqual([recovery.service_name, recovery.failure_category], [service, category]);
      assert.deepEqual([recovery.event_type, recovery.http_status], ["alert.failed", expected]);
      assert.equal(recovery.payload.forced, true);
    }
  });
}

Deno.test("an unknown kind of forced failure is none", async () => {
  assert.equal((await alert("slack-alert", { "x-force-failure": "toString" })).status, 200);
  // Recorded after the answer: it would close the breaker that the next test opens.
  await eventually(() => stack.sql`select from public.integration_events where status = 'success'`);
});

Deno.test("an open breaker answers 503 with the time to come back, and the message is sent when it closes", async () => {
  await stack.sql`update public.integrations_master
    set breaker_state = 'open', breaker_trips = 1, breaker_until = now() + interval '30 seconds' where service_name = 'slack'`;
  const { status, headers, body } = await alert("slack-alert", {}, { message: "held back" });
  assert.deepEqual([status, body.error.code], [503, "integration.held_back"]);
  const wait = Date.parse(headers.get("retry-after")!) - Date.now();
  assert.ok(wait > 20_000 && wait <= 31_000, String(wait));
  assert.match(body.error.message, /held back/);
  const secret = await alert("slack-alert", {}, { message: "the password=canary-9f8e7d6c5b" });
  assert.match(secret.body.error.message, /cannot be kept/);
  assert.equal(receiver.attempts.length, 0);

  const { event_id } = body.error.details;
  await eventually(() => stack.sql`select from public.system_integrity_events where event_id = ${event_id}`);
  await stack.sql`update public.integrations_master set breaker_until = now() where service_name = 'slack'`;
  await stack
    .sql`update public.system_integrity_events set next_retry_at = now() where event_id = ${event_id}`;
  const scan = await fetch(`${stack.url}/functions/v1/integration-self-heal`, {
    method: "POST",
    headers: { apikey: stack.secrets.secretKey },
    body: '{"mode":"scan"}',
  });
  assert.equal((await scan.json()).resolved_count, 1);
  assert.deepEqual(receiver.received, [{ channel: "slack", text: "held back" }]);
});

Deno.test("a message that is missing, empty or too long is refused with the field's name", async () => {
  for (const body of [{}, { message: " " }, { message: "x".repeat(3_001) }, { message: 5 }]) {
    const answer = await alert("slack-alert", {}, body);
    assert.deepEqual([answer.status, answer.body.error.details[0].path], [422, "message"]);
  }
});

Deno.test("in production no failure can be forced, and the public key does not write to people", async () => {
  await stack.setEnv({ ENVIRONMENT: "production" });
  try {
    assert.equal((await alert("slack-alert")).status, 401);
    const secret = { authorization: `Bearer ${stack.secrets.serviceRoleKey}`, "x-force-failure": "auth" };
    const { status, headers } = await alert("slack-alert", secret);
    // Private addresses are closed in production, so the message itself fails; it is no forced failure.
    assert.deepEqual([status, headers.get("x-event-id")], [502, null]);
  } finally {
    await stack.setEnv({ ENVIRONMENT: "development" });
  }
});
