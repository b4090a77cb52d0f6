/** Repeats, refreshes and calls of integrations while the mode changes, with everything real. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createWorld, type World } from "../../../scripts/demo/world.ts";
import { behaviours } from "../../../scripts/demo/provider.ts";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { eventually, failureReport } from "../../../scripts/testing/healing.ts";
import { callFunction } from "../../../scripts/testing/call-function.ts";
import { testStack } from "../../../scripts/testing/stack.ts";

let stack: Stack;
let world: World;
Deno.test.beforeAll(async () => {
  stack = await testStack();
  world = await createWorld(stack);
});
Deno.test.afterAll(async () => {
  await world.stop();
  await world.receiver.stop();
  await stack.stop();
});
Deno.test.beforeEach(async () => {
  await stack.sql`update system_mode set mode = 'normal'`;
  world.provider.requests.length = 0;
});

async function enterSafeMode(): Promise<void> {
  await stack.sql`select enter_safe_mode('a test', 'ops@example.com', 'key:test')`;
}

async function leaveSafeMode(): Promise<void> {
  await stack.sql`update system_mode set mode = 'normal'`;
}

async function report(service: string, path: string, known: Record<string, unknown> = {}) {
  const failure = failureReport(service, world.provider.url + path, known);
  const { body } = await callFunction(stack, "POST", "/integration-self-heal", failure);
  return { eventId: failure.event_id, ...body };
}

async function recoveryOf(eventId: string) {
  const [row] = await stack.sql`select * from system_integrity_events where event_id = ${eventId}`;
  return row;
}

/** Lets the timer have its turn, as it has every minute, until a failure is healed. */
async function resolved(eventId: string) {
  const [timer] = await stack.sql`select command from timers where name = 'self-heal-due'`;
  return await eventually(async () => {
    await stack.sql.unsafe(timer!.command);
    const recovery = await recoveryOf(eventId);
    return recovery?.status === "resolved" && recovery;
  });
}

async function tokensOf(service: string): Promise<number> {
  const [row] = await stack.sql`select retry_tokens from integrations_master where service_name = ${service}`;
  return row!.retry_tokens;
}

Deno.test("a failure that is reported in safe mode is recorded, not repeated, and healed when it is over", async () => {
  await enterSafeMode();
  const answer = await report("demo-payments", "/held");
  deepEqual([answer.success, answer.status, answer.retry_scheduled], [true, "pending", true]);
  equal(answer.action_taken, "Held: the platform is in safe mode");
  await world.scan();
  equal(world.provider.requests.length, 0);

  await leaveSafeMode();
  equal((await resolved(answer.eventId))!.attempts, 1);
  equal(world.provider.requests.length, 1);
});

Deno.test("a recovery that is under way when safe mode begins sends nothing more, and goes on where it was", async () => {
  world.provider.plan("/middle", [(response) => {
    void enterSafeMode().then(() => behaviours.unavailable(response));
  }]);
  const before = await tokensOf("demo-mail");
  const answer = await report("demo-mail", "/middle");
  equal(answer.action_taken, "Held: the platform is in safe mode");
  equal(world.provider.requests.length, 1);
  const held = await recoveryOf(answer.eventId);
  deepEqual([held!.status, held!.attempts, held!.leased_until], ["pending", 1, null]);
  ok(await tokensOf("demo-mail") >= before - 1.01, "only the call that was made is paid for");

  await leaveSafeMode();
  equal((await resolved(answer.eventId))!.attempts, 2);
  equal(world.provider.effects.length, new Set(world.provider.effects).size, "and has its effect once");
});

Deno.test("in safe mode no token is refreshed, neither for a call nor before it expires", async () => {
  await enterSafeMode();
  const request = { method: "GET", url: `${world.provider.url}/private/contacts`, auth: "bearer" };
  const failure = {
    http_status: 401,
    error_code: "invalid_token",
    error_message: "The access token expired",
    request,
  };
  const answer = await report("demo-crm", "/private/contacts", failure);
  equal(answer.action_taken, "Held: the platform is in safe mode");
  await world.scan();
  deepEqual(world.oauth.tokenAnswers, []);

  await leaveSafeMode();
  await resolved(answer.eventId);
  deepEqual(world.oauth.tokenAnswers, [200]);
});

Deno.test("a call with an effect is stored and made when safe mode is over; a call without one is made", async () => {
  const integration = world.integration("demo-shipping");
  const url = `${world.provider.url}/labels`;
  await enterSafeMode();
  equal(
    (await integration.call({ event_type: "labels", request: { method: "GET", url } })).outcome,
    "success",
  );
  const calls = ["POST", "PUT", "PATCH", "DELETE"].map((method) =>
    integration.call({ event_type: "label", request: { method, url, body: JSON.stringify({ method }) } })
  );
  const results = await Promise.all(calls);
  for (const result of results) {
    ok(result.outcome === "held");
    deepEqual([result.reason, result.kept], ["safe_mode", true]);
  }
  const ids = results.map((result) => "event_id" in result ? result.event_id! : "");
  await eventually(async () =>
    (await stack.sql`select from system_integrity_events where event_id = any(${ids})`).length === 4
  );
  await world.scan();
  deepEqual(world.provider.requests.map(({ method }) => method), ["GET"]);
  const [told] = await stack
    .sql`select count(*)::int from outbox where payload ->> 'service_name' = 'demo-shipping'`;
  equal(told!.count, 0, "people know why, and are not told of each");

  await leaveSafeMode();
  for (const id of ids) match((await resolved(id))!.action_taken, /^Repeated the call/);
  const sent = world.provider.requests.slice(1);
  deepEqual(sent.map(({ method }) => method).sort(), ["DELETE", "PATCH", "POST", "PUT"]);
});
