/** From an incident to PagerDuty and back, through the database, the function and a real receiver. */
import assert from "node:assert/strict";
import { type Receiver, startReceiver } from "../../../scripts/demo/receiver.ts";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { eventually } from "../../../scripts/testing/healing.ts";
import { testStack } from "../../../scripts/testing/stack.ts";
import { type PagerDuty, startPagerDuty, type Trouble } from "./pager.ts";

let stack: Stack;
let pager: PagerDuty;
let receiver: Receiver;
const log: string[] = [];

Deno.test.beforeAll(async () => {
  pager = await startPagerDuty();
  receiver = await startReceiver();
  stack = await testStack({
    EGRESS_PRIVATE_HOSTS: `${pager.host},${receiver.host}`,
    SLACK_WEBHOOK_URL: receiver.slackUrl,
    PAGERDUTY_ROUTING_KEY: pager.routingKey,
    PAGERDUTY_EVENTS_URL: pager.url,
  }, { log: (line) => void log.push(line) });
  await stack.sql`select tests.all_is_well()`;
  await stack.sql`update public.notification_channels set enabled = name = 'pagerduty' or name = 'slack'`;
});
Deno.test.afterAll(async () => {
  await stack.stop();
  await pager.stop();
  await receiver.stop();
});
Deno.test.beforeEach(async () => {
  pager.events.length = pager.troubles.length = receiver.received.length = 0;
  pager.alerts.clear();
  await stack.sql`delete from public.integrations_master`;
  await stack.sql`truncate public.outbox, public.incidents`;
  await stack.sql`update public.notification_channels set retry_at = null, leased_until = null`;
});

/** Disables an integration as healing does, and lets so many minutes pass for its incident. */
async function breakAndWait(name: string, minutes: number): Promise<number> {
  await stack.sql`
    insert into public.integrations_master (service_name, enabled, disabled_by, disabled_reason, disabled_at)
    values (${name}, false, 'self-heal', '5 network failures in a row', now())`;
  for (const passed of new Set([0, minutes])) {
    await stack.sql`select public.advance_incidents(now() + make_interval(mins => ${passed}))`;
  }
  const [incident] = await stack.sql`select id from public.incidents where dedup_key = ${
    "integration:" + name
  }`;
  return Number(incident!.id);
}

/** Lets the function deliver what is due, whatever pause a channel makes, until the condition holds. */
async function deliverUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  await eventually(async () => {
    if (await condition()) return true;
    await stack.sql`update public.notification_channels set retry_at = null`;
    await dispatch();
  });
}

async function dispatch(): Promise<void> {
  const headers = { apikey: stack.secrets.secretKey };
  const response = await fetch(`${stack.url}/functions/v1/dispatch`, { method: "POST", headers, body: "{}" });
  await response.body?.cancel();
}

/** What Slack was told of a kind of message. */
function told(title: string): string[] {
  return receiver.received.map(({ text }) => text).filter((text) => text.includes(title));
}

async function everythingIsDelivered(): Promise<boolean> {
  const [open] = await stack
    .sql`select count(*)::integer as count from public.outbox where delivered_at is null`;
  return open!.count === 0;
}

Deno.test("an incident that is escalated, taken and resolved is one alert of PagerDuty's", async () => {
  const id = await breakAndWait("crm", 16);
  const key = `${new URL(stack.url).host}:integration:crm`;
  await deliverUntil(() => pager.alerts.get(key) === "triggered");
  const { payload } = pager.events[0]!;
  assert.equal(payload!.summary, "P2: Integration crm is disabled: 5 network failures in a row");
  assert.equal(payload!.severity, "error");
  assert.equal(payload!.custom_details.incident_id, id);

  await stack.sql`select public.acknowledge_incident(${id}, 'user:ada', 'I am on it')`;
  await deliverUntil(() => pager.alerts.get(key) === "acknowledged");
  await stack.sql`update public.integrations_master set enabled = true where service_name = 'crm'`;
  await stack.sql`select public.advance_incidents()`;
  await deliverUntil(everythingIsDelivered);
  assert.deepEqual(
    pager.events.map(({ event_action, dedup_key }) => [event_action, dedup_key]),
    [["trigger", key], ["acknowledge", key], ["resolve", key]],
  );
  assert.equal(pager.alerts.size, 0);
  for (const title of ["Opened", "Escalated", "Acknowledged", "Resolved"]) {
    assert.equal(told(`P2 Incident ${title}`).length, 1, title);
  }
});

Deno.test("an incident that heals before it is escalated wakes nobody", async () => {
  await breakAndWait("erp", 0);
  await stack.sql`update public.integrations_master set enabled = true where service_name = 'erp'`;
  await stack.sql`select public.advance_incidents()`;
  await deliverUntil(everythingIsDelivered);
  assert.deepEqual(pager.events, []);
  assert.equal(told("P2 Incident Resolved").length, 1);
});

const passing: [name: string, trouble: Trouble, error: RegExp][] = [
  ["is busy", { status: 429, headers: { "retry-after": "120" } }, /HTTP 429/],
  ["is down", { status: 503, body: "upstream is gone" }, /HTTP 503: upstream is gone/],
  ["never answers", "silent", /egress\.timeout/],
  ["takes the page and its answer gets lost", "cut off", /egress\./],
  ["is a proxy that says OK", { status: 200, body: "<html>welcome</html>" }, /HTTP 200/],
];
for (const [name, trouble, error] of passing) {
  Deno.test(`when PagerDuty ${name}, the page waits, Slack is told once, and it comes through in the end`, async () => {
    pager.troubles.push(trouble, trouble);
    const service = name.replaceAll(" ", "-").toLowerCase();
    const id = await breakAndWait(service, 16);
    await deliverUntil(() => pager.troubles.length === 0);
    await stack.sql`select public.resolve_incident(${id}, 'user:ada')`;
    await deliverUntil(everythingIsDelivered);

    const [page] = await stack.sql`
      select attempts from public.outbox where kind = 'page' and payload ->> 'action' = 'trigger'`;
    assert.equal(page!.attempts, 3);
    const failures = told("P2 Page Not Delivered");
    assert.equal(failures.length, 1);
    assert.match(failures[0]!, error);
    const actions = new Set(pager.events.map(({ event_action }) => event_action));
    assert.deepEqual([...actions], ["trigger", "resolve"], "Nothing overtakes the page");
    assert.equal(new Set(pager.events.map(({ dedup_key }) => dedup_key)).size, 1);
    assert.equal(pager.alerts.size, 0);
  });
}

Deno.test("the pause that PagerDuty asks for is kept", async () => {
  pager.troubles.push({ status: 429, headers: { "retry-after": "120" } });
  await breakAndWait("paused", 16);
  const seconds = await eventually(async () => {
    await dispatch();
    const [channel] = await stack.sql`
      select extract(epoch from retry_at - now())::float as seconds from public.notification_channels where name = 'pagerduty'`;
    return channel!.seconds;
  });
  assert.ok(seconds > 80 && seconds <= 120, String(seconds));
  await dispatch();
  assert.deepEqual(pager.events, []);
});

Deno.test("a page that PagerDuty refuses is a dead letter, and Slack hears that it is not sent again", async () => {
  pager.troubles.push({
    status: 400,
    body: '{"status":"invalid event","message":"Event object is invalid"}',
  });
  await breakAndWait("refused", 16);
  await deliverUntil(() => told("P2 Page Not Delivered").length === 1);
  assert.match(
    told("P2 Page Not Delivered")[0]!,
    /HTTP 400: .*invalid event.*\n.*this page is not sent again/s,
  );
  const [page] = await stack.sql`select failed_at, last_error from public.outbox where kind = 'page'`;
  assert.ok(page!.failed_at);
  assert.match(page!.last_error, /^HTTP 400: /);
  assert.deepEqual(pager.events, []);
});

Deno.test("a worker that is killed before it hears the answer sends the page again with the same key", async () => {
  let killed = false;
  pager.onTaken = async () => {
    pager.onTaken = () => Promise.resolve();
    await stack.killFunction("dispatch");
    killed = true;
  };
  const id = await breakAndWait("killed", 16);
  await deliverUntil(() => killed);
  await stack.sql`update public.notification_channels set leased_until = null`;
  await stack.sql`select public.acknowledge_incident(${id}, 'user:ada')`;
  await deliverUntil(everythingIsDelivered);
  assert.deepEqual(pager.events.map(({ event_action }) => event_action), [
    "trigger",
    "trigger",
    "acknowledge",
  ]);
  assert.equal(new Set(pager.events.map(({ dedup_key }) => dedup_key)).size, 1);
});

Deno.test("a wrong key is answered with that key, which is in no row and no log", async () => {
  const wrongKey = "0".repeat(16) + pager.routingKey.slice(16);
  await stack.setEnv({ PAGERDUTY_ROUTING_KEY: wrongKey });
  await breakAndWait("wrong-key", 16);
  await deliverUntil(() => told("P2 Page Not Delivered").length === 1);
  assert.match(told("P2 Page Not Delivered")[0]!, /Invalid routing key/);
  const rows = await stack
    .sql`select o::text as text from public.outbox o union all select a::text from public.audit_log a`;
  for (const { text } of [...rows, ...log.map((text) => ({ text })), ...receiver.received]) {
    assert.ok(!text.includes(wrongKey) && !text.includes(pager.routingKey), text);
  }
  assert.ok(log.some((line) => line.includes("outbox.not_delivered")), "What failed is logged");
});

Deno.test("without a key the page is a dead letter, and Slack is told what is missing", async () => {
  await stack.setEnv({ PAGERDUTY_ROUTING_KEY: "" });
  const requests = pager.requests;
  await breakAndWait("no-key", 16);
  await deliverUntil(() => told("P2 Page Not Delivered").length === 1);
  assert.match(told("P2 Page Not Delivered")[0]!, /channel\.not_configured/);
  assert.equal(pager.requests, requests);
});
