import assert from "node:assert/strict";
import { type Receiver, startReceiver } from "../../../scripts/demo/receiver.ts";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { testStack } from "../../../scripts/testing/stack.ts";

let stack: Stack;
let receiver: Receiver;
/** What happens while the receiver takes a message. */
let onMessage = () => Promise.resolve();

Deno.test.beforeAll(async () => {
  receiver = await startReceiver({ onMessage: () => onMessage() });
  stack = await testStack({
    EGRESS_PRIVATE_HOSTS: receiver.host,
    SLACK_WEBHOOK_URL: receiver.slackUrl,
    MICROSOFT_TEAMS_WEBHOOK_URL: receiver.teamsUrl,
  });
});
Deno.test.afterAll(async () => {
  await stack.stop();
  await receiver.stop();
});
Deno.test.beforeEach(async () => {
  await stack.sql`truncate public.outbox`;
  await stack.sql`update public.notification_channels set retry_at = null, leased_until = null`;
  receiver.received.length = 0;
  receiver.attempts.length = 0;
});

/** Writes a message for every channel, without waking the function. */
async function write(subject: string, channels = ["slack", "teams"]): Promise<void> {
  const payload = { service_name: subject, action_taken: "Repeating the call", retry_count: 1 };
  for (const channel of channels) {
    await stack.sql`insert into public.outbox (channel, kind, dedup_key, payload)
      values (${channel}, 'attempt', ${subject}, ${stack.sql.json(payload)})`;
  }
}

async function dispatch(headers: Record<string, string> = { apikey: stack.secrets.secretKey }) {
  const response = await fetch(`${stack.url}/functions/v1/dispatch`, { method: "POST", headers, body: "{}" });
  return { status: response.status, body: await response.json() };
}

Deno.test("what was written is taken by Slack and Teams, in order, and sent once", async () => {
  for (const subject of ["first", "second", "third"]) await write(subject);
  const { body } = await dispatch();
  assert.deepEqual(body, {
    ...{ success: true, delivered_count: 6, retry_count: 0, dead_count: 0 },
    unconfigured: ["pagerduty"],
  });
  for (const channel of ["slack", "teams"]) {
    const texts = receiver.received.filter((message) => message.channel === channel).map(({ text }) => text);
    assert.deepEqual(texts.map((text) => /Service: (\w+)/.exec(text)?.[1]), ["first", "second", "third"]);
  }
  assert.equal((await dispatch()).body.delivered_count, 0);
});

Deno.test("40 workers at once send each message once, in order", async () => {
  const subjects = Array.from({ length: 30 }, (_, index) => `s${index}`);
  for (const subject of subjects) await write(subject, ["slack"]);
  await Promise.all(Array.from({ length: 40 }, () => dispatch()));
  assert.deepEqual(receiver.received.map(({ text }) => /Service: (\w+)/.exec(text)?.[1]), subjects);
});

Deno.test("a channel that is down holds up only itself, and its message is sent when it is due again", async () => {
  await write("first");
  await write("second");
  receiver.refuse("slack", [{ status: 429, headers: { "retry-after": "120" } }]);
  const { body } = await dispatch();
  assert.deepEqual([body.delivered_count, body.retry_count], [2, 1]);
  const [paused] = await stack.sql`
    select extract(epoch from retry_at - now()) as seconds from public.notification_channels where name = 'slack'`;
  assert.ok(paused!.seconds > 110 && paused!.seconds <= 120, String(paused!.seconds));
  assert.equal((await dispatch()).body.delivered_count, 0);

  await stack.sql`update public.notification_channels set retry_at = now() where name = 'slack'`;
  assert.equal((await dispatch()).body.delivered_count, 2);
  const slack = receiver.received.filter((message) => message.channel === "slack");
  assert.deepEqual(slack.map(({ text }) => /Service: (\w+)/.exec(text)?.[1]), ["first", "second"]);
});

Deno.test("a refusal becomes a dead letter that says why, and the next message is delivered", async () => {
  await write("first", ["slack"]);
  await write("second", ["slack"]);
  receiver.refuse("slack", [{ status: 403 }]);
  const { body } = await dispatch();
  assert.deepEqual([body.success, body.delivered_count, body.dead_count], [false, 1, 1]);
  const [dead] = await stack.sql`select dedup_key, last_error from public.outbox where failed_at is not null`;
  assert.deepEqual({ ...dead }, { dedup_key: "first", last_error: "HTTP 403" });
});

Deno.test("a worker that is killed before it hears the receiver's answer repeats the message and loses none", async () => {
  await write("first", ["slack"]);
  await write("second", ["slack"]);
  onMessage = () => {
    onMessage = () => Promise.resolve();
    return stack.killFunction("dispatch");
  };
  assert.equal((await dispatch()).status, 500);
  assert.equal((await dispatch()).body.delivered_count, 0, "The dead worker's lease must be respected");
  await stack.sql`update public.notification_channels set leased_until = now()`;
  assert.equal((await dispatch()).body.delivered_count, 2);
  const subjects = receiver.received.map(({ text }) => /Service: (\w+)/.exec(text)?.[1]);
  assert.deepEqual(subjects, ["first", "first", "second"]);
});

Deno.test("the database wakes the function when something happens", async () => {
  await stack.sql`select private.tell('attempt', 'woken', '{"service_name":"woken","retry_count":1}')`;
  const deadline = Date.now() + 60_000;
  while (receiver.received.length < 2 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(receiver.received.map(({ channel }) => channel).sort(), ["slack", "teams"]);
});

Deno.test("only holders of a secret key and internal callers may dispatch", async () => {
  assert.equal((await dispatch({ apikey: stack.secrets.publishableKey })).status, 401);
  assert.equal((await dispatch({})).status, 401);
  assert.equal((await dispatch({ "x-internal-token": stack.secrets.internalWebhookToken })).status, 200);
});
