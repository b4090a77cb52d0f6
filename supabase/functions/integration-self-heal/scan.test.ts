import assert from "node:assert/strict";
import { type OAuthServer, startOAuthServer } from "../../../scripts/demo/oauth-server.ts";
import { behaviours } from "../../../scripts/demo/provider.ts";
import { failureReport, type Healing, startHealing } from "../../../scripts/testing/healing.ts";
import { createTokenVault } from "../_shared/adapters/token-vault.ts";

let oauth: OAuthServer;
let healing: Healing;

Deno.test.beforeAll(async () => {
  oauth = await startOAuthServer();
  healing = await startHealing({ privateHosts: [oauth.host] });
});
Deno.test.afterAll(async () => {
  await healing.stop();
  await oauth.stop();
});
Deno.test.beforeEach(async () => {
  await healing.stack
    .sql`truncate system_integrity_events, integration_events, integrations_master, user_integrations cascade`;
  healing.provider.requests.length = 0;
});

/** A failed call as an integration function records it, without a report. */
async function recordFailure(service: string, path: string, known: Record<string, unknown> = {}) {
  const { event_id, http_status, error_message, request } = failureReport(
    service,
    healing.provider.url + path,
  );
  const row = {
    id: event_id,
    service_name: service,
    status: "error",
    http_status,
    error_message,
    request,
    ...known,
  };
  await healing.stack.sql`insert into integration_events ${healing.stack.sql(row as never)}`;
  return event_id;
}

const makeDue = () =>
  healing.stack.sql`update system_integrity_events set next_retry_at = now() where next_retry_at is not null`;

Deno.test("a failure whose report never arrived is found, recovered and listed", async () => {
  const service = await healing.register();
  const event_id = await recordFailure(service, "/missed");
  const { status, body } = await healing.scan();
  assert.equal(status, 200);
  assert.deepEqual(body, {
    success: true,
    processed_count: 1,
    resolved_count: 1,
    pending_count: 0,
    disabled_count: 0,
    events: [{
      event_id,
      service_name: service,
      category: "network",
      action_taken: "Repeated the call",
      status: "resolved",
    }],
  });
  assert.equal((await healing.scan()).body.processed_count, 0);
});

Deno.test("a row that tells of its error in the payload only is understood, and the wait it tells of obeyed", async () => {
  const service = await healing.register();
  const created_at = new Date(Date.now() - 60_000);
  await recordFailure(service, "/told", {
    ...{ http_status: null, error_message: null, created_at },
    payload: {
      ...{ error_code: "rate_limit_exceeded", error_message: "Too many requests", http_status: 429 },
      response_headers: { "Retry-After": "600" },
    },
  });
  const { body } = await healing.scan();
  assert.deepEqual([body.events[0].category, body.resolved_count], ["rate_limit", 0]);
  const [row] = await healing.stack.sql`select failure_reason, next_retry_at from system_integrity_events`;
  assert.equal(row!.failure_reason, "Too many requests");
  assert.ok(Math.abs(row!.next_retry_at - created_at.getTime() - 600_000) < 5_000);
});

Deno.test("a row without a request is told to people once and settled by the next success", async () => {
  const service = await healing.register();
  const event_id = await recordFailure(service, "", { request: null });
  const { body } = await healing.scan();
  assert.deepEqual(body.events, [{
    event_id,
    service_name: service,
    category: "network",
    action_taken: "Waiting for the next success: the request was not stored, so it cannot be repeated",
    status: "pending",
  }]);
  assert.equal((await healing.scan()).body.processed_count, 0);
  const success = { service_name: service, event_type: "order.sent", status: "success" };
  await healing.stack.sql`insert into integration_events ${healing.stack.sql(success)}`;
  const told = await healing.stack.sql`
    select kind, payload ->> 'action_taken' as action from outbox
    where payload ->> 'service_name' = ${service} and channel = 'slack' order by id`;
  assert.deepEqual([...told].map(({ kind }) => kind), ["failure", "recovered"]);
  assert.equal((await healing.recoveryOf(event_id))!.status, "resolved");
});

Deno.test("a retry that is due is made, one that is not is left alone", async () => {
  const service = await healing.register();
  const limited = {
    http_status: 429,
    error_message: "Too many requests",
    response_headers: { "Retry-After": "60" },
  };
  const report = await healing.report(service, "/due", limited);
  assert.equal((await healing.scan()).body.processed_count, 0);
  await healing.stack.sql`update integrations_master set rate_limited_until = null`;
  await makeDue();
  const { body } = await healing.scan();
  assert.deepEqual([body.processed_count, body.resolved_count], [1, 1]);
  const [row] = await healing.stack
    .sql`select status from system_integrity_events where id = ${report.body.recovery_id}`;
  assert.equal(row!.status, "resolved");
});

Deno.test("poisoned items end with their reason and never stop the rest", async () => {
  const service = await healing.register();
  const poisons = [
    { request: { method: "GET" } },
    { request: "GET /" },
    { request: { method: "GET", url: "not a url" } },
    { request: { method: "GET", url: healing.provider.url + "/", headers: { "bad header": "\n" } } },
    { error_message: null, http_status: null, payload: { deep: "[[[[" } },
  ];
  for (const poison of poisons) await recordFailure(service, "/poison", poison);
  const good = await recordFailure(await healing.register(), "/good");
  const { status, body } = await healing.scan();
  assert.equal(status, 200);
  assert.equal(body.processed_count, poisons.length + 1);
  assert.equal(body.events.find((event: { event_id: string }) => event.event_id === good).status, "resolved");
  const left = await healing.stack.sql`select from system_integrity_events where leased_until is not null`;
  assert.equal(left.length, 0);
});

Deno.test("a scan processes no more than its limit and leaves the rest to the next one", async () => {
  const service = await healing.register();
  for (let count = 0; count < 5; count++) await recordFailure(service, "/many");
  assert.equal((await healing.scan({ limit: 2 })).body.processed_count, 2);
  assert.equal((await healing.scan({ limit: 2 })).body.resolved_count, 2);
  assert.equal((await healing.scan()).body.resolved_count, 1);
  assert.equal(healing.provider.effects.filter((body) => body.includes("order")).length >= 5, true);
});

Deno.test("failures that are older than the window are not dug out, those of a disabled service are held", async () => {
  const service = await healing.register();
  await recordFailure(service, "/old", { created_at: new Date(Date.now() - 3_600_000) });
  assert.equal((await healing.scan()).body.processed_count, 0);
  assert.equal((await healing.scan({ window_minutes: 120 })).body.processed_count, 1);

  await healing.stack.sql`select disable_integration(${service}, 'maintenance', 'ada')`;
  await recordFailure(service, "/disabled");
  const { body } = await healing.scan();
  assert.deepEqual([body.disabled_count, body.resolved_count], [1, 0]);
});

Deno.test("a service recovers at most as many failures at once as it may", async () => {
  const service = await healing.register({ max_concurrent_recoveries: 2, retry_tokens: 10 });
  for (let count = 0; count < 6; count++) await recordFailure(service, "/concurrent");
  let open = 0;
  let most = 0;
  const slow = (response: { writeHead(status: number): { end(text: string): void }; on: unknown }) => {
    most = Math.max(most, ++open);
    setTimeout(() => {
      open--;
      response.writeHead(200).end('{"ok":true}');
    }, 100);
  };
  healing.provider.plan("/concurrent", [], slow as never);
  const { body } = await healing.scan();
  assert.equal(body.resolved_count, 6);
  assert.equal(most, 2);
});

Deno.test("scans that run at the same time share the work and do nothing twice", async () => {
  const service = await healing.register();
  for (let count = 0; count < 8; count++) await recordFailure(service, "/shared");
  const answers = await Promise.all([healing.scan(), healing.scan(), healing.scan()]);
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(healing.provider.requests.filter(({ path }) => path === "/shared").length, 8);
});

Deno.test("tokens are refreshed before they expire", async () => {
  const { grantId } = await healing.connect(oauth, 300);
  await healing.scan();
  const vault = createTokenVault(healing.stack.secrets.tokenEncryptionKeys);
  const [grant] = await healing.stack.sql`select token_version, access_token from user_integrations`;
  assert.equal(grant!.token_version, 2);
  assert.equal(
    await oauth.isActive(
      await vault.decrypt(`user_integrations/${grantId}/access_token`, grant!.access_token),
    ),
    true,
  );
});

Deno.test("healing ends: what fails at every attempt is given up after 12 calls, and people are told", async () => {
  const service = await healing.register();
  healing.provider.plan("/hopeless", [], behaviours.unavailable);
  const { body } = await healing.report(service, "/hopeless");
  for (let round = 0; round < 12; round++) {
    await healing.stack
      .sql`update integrations_master set retry_tokens = 10, breaker_state = 'closed', breaker_until = null,
      enabled = true, disabled_by = null, disabled_reason = null`;
    await makeDue();
    await healing.scan();
  }
  const [row] = await healing.stack.sql`
    select attempts, next_retry_at, action_taken from system_integrity_events where id = ${body.recovery_id}`;
  assert.deepEqual(row, {
    attempts: 12,
    next_retry_at: null,
    action_taken: "Given up after 12 attempts, people were told",
  });
  assert.equal(healing.provider.requests.length, 12);
});
