import assert from "node:assert/strict";
import {
  DatabaseError,
  EgressError,
  type EgressRequest,
  type EgressResponse,
  type SystemMode,
} from "../ports.ts";
import type { Call, CallResult } from "./call.ts";
import { createIntegration, type IntegrationDeps } from "./create-integration.ts";
import type { FailedCall, Success } from "./journal.ts";
import type { Token } from "./token-source.ts";
import { fakeClock } from "../testing/fake-clock.ts";
import { fakeMode } from "../testing/fake-mode.ts";

const PERMITTED = {
  ...{ allowed: true, reason: null, retry_at: null },
  ...{ allowed_hosts: ["api.crm.example"], idempotency_header: null, grant: null },
};
const GRANT = {
  ...{ id: "g1", access_token: "encrypted", token_version: 4, token_expires_at: null },
  ...{ has_refresh_token: true, needs_reauth: false },
};
const OK: EgressResponse = { status: 200, headers: {}, body: '{"ok":true}' };
const CALL: Call = {
  event_type: "contact",
  request: { method: "POST", url: "https://api.crm.example/contacts?page=2", body: '{"name":"Ada"}' },
};

/** An integration whose surroundings are in memory, and everything that they were asked. */
function build({ permission = PERMITTED, answer = () => OK, token, mode = fakeMode() }: {
  permission?: object | (() => never);
  answer?: (request: EgressRequest) => EgressResponse;
  token?: (() => Token) | Token;
  mode?: SystemMode;
} = {}) {
  const sent: EgressRequest[] = [];
  const failures: FailedCall[] = [];
  const successes: Success[] = [];
  const errors: string[] = [];
  const clock = fakeClock();
  const deps: IntegrationDeps = {
    ...{ clock, mode },
    secretUrls: { SLACK_WEBHOOK_URL: "https://hooks.slack.example/canary" },
    logger: { info() {}, warn() {}, error: (event) => void errors.push(event) },
    database: {
      // deno-lint-ignore require-await
      async rpc<T>(name: string, args?: Record<string, unknown>) {
        assert.equal(name, "begin_integration_call");
        assert.deepEqual(Object.keys(args!), ["p_service_name", "p_user_id", "p_method"]);
        return (typeof permission === "function" ? permission() : permission) as T;
      },
    },
    egress: {
      // deno-lint-ignore require-await
      async send(request) {
        sent.push(request);
        clock.advance(250);
        return answer(request);
      },
    },
    tokens: {
      // deno-lint-ignore require-await
      async token() {
        if (!token) throw new Error("this call needs no token");
        return typeof token === "function" ? token() : token;
      },
    },
    journal: {
      succeeded: (call) => void successes.push(call),
      failed: (call) => Promise.resolve(`event-${failures.push(call)}`),
    },
  };
  return { integration: createIntegration("crm", deps), sent, failures, successes, errors };
}

Deno.test("a call that succeeds gives its answer and is recorded", async () => {
  const { integration, sent, successes, failures } = build();
  assert.deepEqual(await integration.call(CALL), { outcome: "success", ...OK });
  assert.deepEqual(sent.map(({ url, method, body, timeoutMs }) => ({ url, method, body, timeoutMs })), [
    { url: CALL.request.url, method: "POST", body: CALL.request.body, timeoutMs: 10_000 },
  ]);
  assert.deepEqual([successes[0]!.service_name, successes[0]!.event_type, successes[0]!.http_status], [
    "crm",
    "contact.sent",
    200,
  ]);
  assert.equal(failures.length, 0);
});

Deno.test("how long the provider took is recorded, whatever came of it; nothing where it was not asked", async () => {
  const lost = (sent: boolean) => () => {
    throw new EgressError("egress.timeout", "No answer", sent);
  };
  const outcomes = [
    build(),
    build({ answer: () => ({ ...OK, status: 500 }) }),
    build({ answer: lost(true) }),
    build({ answer: lost(false) }),
    build({ permission: { ...PERMITTED, allowed: false, reason: "disabled" } }),
  ];
  for (const { integration } of outcomes) await integration.call(CALL);
  const recorded = outcomes.flatMap(({ successes, failures }) => [...successes, ...failures]);
  assert.deepEqual(recorded.map(({ duration_ms }) => duration_ms), [250, 250, 250, null, undefined]);

  const untold = build({ token: { error_code: "invalid_grant", error_message: "No token" } });
  await untold.integration.call({ ...CALL, request: { ...CALL.request, auth: "bearer" } });
  assert.equal(untold.failures[0]!.duration_ms, null);
});

Deno.test("a call that fails is recorded with the provider's words and a request that can be repeated", async () => {
  const body = '{"error":{"code":"rate_limited","message":"Slow down"}}';
  const response = { status: 429, headers: { "retry-after": "3" }, body };
  const { integration, failures } = build({ answer: () => response });
  assert.deepEqual(await integration.call(CALL), {
    ...{
      outcome: "failed",
      event_id: "event-1",
      code: "rate_limited",
      message: "HTTP 429: Slow down",
      response,
    },
  });
  const { http_status, error_code, event_type, endpoint, request, response: reported } = failures[0]!;
  assert.deepEqual([http_status, error_code, event_type], [429, "rate_limited", "contact.failed"]);
  assert.equal(endpoint, "https://api.crm.example/contacts");
  assert.deepEqual([request?.method, request?.url, request?.body], [
    "POST",
    CALL.request.url,
    CALL.request.body,
  ]);
  assert.deepEqual(reported, response);
});

Deno.test("what the provider says of a failure reaches the caller without the secrets it quotes", async () => {
  const body = '{"error":{"code":"token=canary-9f8e7d6c5b","message":"refused: Bearer canary-9f8e7d6c5b"}}';
  const { integration } = build({ answer: () => ({ status: 401, headers: {}, body }) });
  const { response: _raw, ...shown } = await integration.call(CALL) as Extract<
    CallResult,
    { outcome: "failed" }
  >;
  assert.match(shown.message, /refused/);
  assert.ok(!JSON.stringify(shown).includes("canary"), JSON.stringify(shown));
});

Deno.test("an answer of 200 that says it failed is a failure", async () => {
  const { integration } = build({
    answer: () => ({ status: 200, headers: {}, body: '{"ok":false,"error":"channel_not_found"}' }),
  });
  const result = await integration.call(CALL);
  assert.deepEqual([result.outcome, "code" in result && result.code], ["failed", "channel_not_found"]);
});

Deno.test("a call without an answer is a failure with the connection's code", async () => {
  const { integration, failures } = build({
    answer: () => {
      throw new EgressError("egress.timeout", "api.crm.example did not answer completely in time", true);
    },
  });
  const result = await integration.call(CALL);
  assert.deepEqual([result.outcome, "code" in result && result.code], ["failed", "egress.timeout"]);
  assert.equal(failures[0]!.http_status, null);
});

Deno.test("an open breaker holds the call back, tells until when, and keeps the request for later", async () => {
  const permission = {
    ...PERMITTED,
    allowed: false,
    reason: "circuit_open",
    retry_at: "2026-11-20T12:00:00Z",
  };
  const { integration, sent, failures } = build({ permission });
  assert.deepEqual(await integration.call(CALL), {
    ...{ outcome: "held", event_id: "event-1", reason: "circuit_open", retry_at: "2026-11-20T12:00:00Z" },
    kept: true,
  });
  assert.equal(sent.length, 0);
  assert.deepEqual([failures[0]!.error_code, failures[0]!.event_type], ["circuit_open", "contact.held"]);
  assert.equal(failures[0]!.request?.body, CALL.request.body);
});

Deno.test("whoever is held back with a secret in the request learns that it is not kept", async () => {
  const { integration, failures } = build({
    permission: { ...PERMITTED, allowed: false, reason: "disabled", retry_at: null },
  });
  const request = { ...CALL.request, body: '{"password":"canary"}' };
  const result = await integration.call({ ...CALL, request });
  assert.deepEqual([result.outcome, "kept" in result && result.kept], ["held", false]);
  assert.equal(failures[0]!.request, null);
});

Deno.test("each call has an idempotency key of its own, where the provider knows one, and repeats keep it", async () => {
  const permission = { ...PERMITTED, idempotency_header: "Idempotency-Key" };
  const { integration, sent, failures } = build({
    permission,
    answer: () => ({ status: 503, headers: {}, body: "" }),
  });
  await integration.call(CALL);
  await integration.call(CALL);
  const keys = sent.map(({ headers }) => headers!["idempotency-key"]);
  assert.match(keys[0]!, /^[0-9a-f-]{36}$/);
  assert.notEqual(keys[0], keys[1]);
  assert.deepEqual(failures.map(({ request }) => request?.idempotency_key), keys);
});

Deno.test("a key and a token that the caller set by hand are neither doubled nor lost to the repetition", async () => {
  const { integration, sent, failures } = build({
    permission: { ...PERMITTED, idempotency_header: "Idempotency-Key", grant: GRANT },
    token: { accessToken: "fresh", version: 5 },
    answer: () => ({ status: 503, headers: {}, body: "" }),
  });
  const headers = { "idempotency-KEY": "own", AUTHORIZATION: "Bearer stale" };
  await integration.call({ ...CALL, request: { ...CALL.request, headers, auth: "bearer" } });
  assert.deepEqual(sent[0]!.headers, { "idempotency-key": "own", authorization: "Bearer fresh" });
  assert.equal(failures[0]!.request?.idempotency_key, "own");
});

Deno.test("a token goes into the request, only to allowed hosts, and never into what is kept", async () => {
  const { integration, sent, failures } = build({
    permission: { ...PERMITTED, grant: GRANT },
    token: { accessToken: "canary", version: 5 },
    answer: () => ({ status: 401, headers: {}, body: "" }),
  });
  await integration.call({ ...CALL, request: { ...CALL.request, auth: "bearer" } });
  assert.equal(sent[0]!.headers!["authorization"], "Bearer canary");
  assert.deepEqual(sent[0]!.allowedHosts, ["api.crm.example"]);
  assert.ok(!JSON.stringify(failures).includes("canary"));
  assert.deepEqual([failures[0]!.request?.auth, failures[0]!.request?.token_version], ["bearer", 5]);
});

Deno.test("without a token nothing is sent, and the failure says why", async () => {
  const { integration, sent, failures } = build({
    token: { error_code: "invalid_grant", error_message: "connect the account again" },
  });
  const result = await integration.call({ ...CALL, request: { ...CALL.request, auth: "bearer" } });
  assert.deepEqual([result.outcome, "code" in result && result.code], ["failed", "invalid_grant"]);
  assert.deepEqual([sent.length, failures.length], [0, 1]);
});

Deno.test("a URL that is a secret is called and never recorded", async () => {
  const { integration, sent, failures } = build({ answer: () => ({ status: 500, headers: {}, body: "" }) });
  const request = { method: "POST", url: "", url_secret: "SLACK_WEBHOOK_URL", body: "{}" };
  await integration.call({ event_type: "alert", request });
  assert.equal(sent[0]!.url, "https://hooks.slack.example/canary");
  assert.ok(!JSON.stringify(failures).includes("canary"));
  assert.deepEqual([failures[0]!.endpoint, failures[0]!.request?.url_secret], [
    "SLACK_WEBHOOK_URL",
    "SLACK_WEBHOOK_URL",
  ]);
});

Deno.test("a secret URL that was given instead of its setting's name is told to nobody", async () => {
  const { integration, failures } = build();
  const request = { method: "POST", url: "", url_secret: "https://hooks.slack.com/services/T0/B0/canary" };
  const result = await integration.call({ event_type: "alert", request });
  assert.ok(!JSON.stringify([result, failures]).includes("canary"), JSON.stringify([result, failures]));
});

Deno.test("a setting that is missing is a failure that names it", async () => {
  const { integration } = build();
  const request = { method: "POST", url: "", url_secret: "MICROSOFT_TEAMS_WEBHOOK_URL" };
  const result = await integration.call({ event_type: "alert", request });
  assert.match(result.outcome === "failed" ? result.message : "", /MICROSOFT_TEAMS_WEBHOOK_URL is not set/);
});

Deno.test("a request that holds a secret is made, and not kept", async () => {
  const { integration, sent, failures } = build({ answer: () => ({ status: 500, headers: {}, body: "" }) });
  await integration.call({ ...CALL, request: { ...CALL.request, body: '{"password":"canary"}' } });
  assert.equal(sent[0]!.body, '{"password":"canary"}');
  assert.equal(failures[0]!.request, null);
});

Deno.test("a call that is part of a recovery is made even so, and leaves no trace of its own", async () => {
  const permission = { ...PERMITTED, allowed: false, reason: "circuit_open", retry_at: null };
  for (const answer of [() => OK, () => ({ ...OK, status: 500 })]) {
    const { integration, sent, failures, successes } = build({ permission, answer });
    await integration.call({ ...CALL, attempt: "r1" });
    assert.deepEqual([sent.length, failures.length, successes.length], [1, 0, 0]);
  }
});

Deno.test("a database that cannot be asked stops only what it is needed for: an effect, and a token", async () => {
  const unreachable = () => {
    throw new DatabaseError("database.unreachable", "try again", 503);
  };
  const reading = { ...CALL.request, method: "get", body: undefined };
  const { integration, errors } = build({ permission: unreachable });
  assert.equal((await integration.call({ ...CALL, request: reading })).outcome, "success");
  assert.deepEqual(errors, ["integration.not_asked"]);

  const stopped = [[CALL.request, "safe_mode.unknown"], [
    { ...reading, auth: "bearer" },
    "database.unreachable",
  ]];
  for (const [request, code] of stopped as [Call["request"], string][]) {
    const { integration, sent } = build({ permission: unreachable });
    const result = await integration.call({ ...CALL, request });
    assert.deepEqual([sent.length, result.outcome, "code" in result && result.code], [0, "failed", code]);
  }
});

Deno.test("safe mode holds a call back, tells why, and keeps the request for later", async () => {
  const { integration, sent, failures } = build({
    permission: { ...PERMITTED, allowed: false, reason: "safe_mode" },
  });
  assert.deepEqual(await integration.call(CALL), {
    ...{ outcome: "held", event_id: "event-1", reason: "safe_mode", retry_at: null, kept: true },
  });
  assert.deepEqual([sent.length, failures[0]!.error_code, failures[0]!.event_type], [
    0,
    "circuit_open",
    "contact.held",
  ]);
  assert.match(failures[0]!.error_message, /safe mode/);
  assert.equal(failures[0]!.request?.body, CALL.request.body);
});

Deno.test("safe mode stops also what is part of a recovery, which the breaker lets through", async () => {
  const { integration, sent, failures } = build({
    permission: { ...PERMITTED, allowed: false, reason: "safe_mode" },
  });
  const result = await integration.call({ ...CALL, attempt: "r1" });
  assert.deepEqual([result.outcome, "code" in result && result.code], ["failed", "safe_mode.active"]);
  assert.deepEqual([sent.length, failures.length], [0, 0]);
});

Deno.test("safe mode that begins while a token is refreshed holds the call back as well", async () => {
  const mode = fakeMode();
  const token = () => {
    mode.safe = true;
    return { accessToken: "fresh", version: 5 };
  };
  const start = (request: Call["request"], attempt?: string) => {
    mode.safe = false;
    const built = build({ permission: { ...PERMITTED, grant: GRANT }, token, mode });
    return { ...built, result: built.integration.call({ ...CALL, request, attempt }) };
  };
  const bearer = { ...CALL.request, auth: "bearer" as const };
  const held = start(bearer);
  const result = await held.result;
  assert.deepEqual([result.outcome, "reason" in result && result.reason], ["held", "safe_mode"]);
  assert.deepEqual([held.sent.length, held.failures[0]!.request?.body], [0, CALL.request.body]);

  const repeated = start(bearer, "r1");
  const refused = await repeated.result;
  assert.deepEqual([refused.outcome, "code" in refused && refused.code], ["failed", "safe_mode.active"]);
  assert.deepEqual([repeated.sent.length, repeated.failures.length], [0, 0]);

  assert.equal((await start({ ...bearer, method: "GET", body: undefined }).result).outcome, "success");
});

Deno.test("a mode that cannot be read after a refresh lets nothing with an effect pass", async () => {
  const unreadable = { isSafe: () => Promise.reject(new DatabaseError("database.timeout", "late", 504)) };
  const { integration, sent, errors } = build({
    permission: { ...PERMITTED, grant: GRANT },
    token: { accessToken: "fresh", version: 5 },
    mode: unreadable,
  });
  const result = await integration.call({ ...CALL, request: { ...CALL.request, auth: "bearer" } });
  assert.deepEqual([sent.length, "code" in result && result.code], [0, "safe_mode.unknown"]);
  assert.deepEqual(errors, ["integration.mode_unreadable"]);
});

Deno.test("a surprise is logged and tells the caller nothing internal", async () => {
  const { integration, errors } = build({
    answer: () => {
      throw new TypeError("canary");
    },
  });
  const result = await integration.call(CALL);
  assert.ok(result.outcome === "failed" && result.code === "internal" && !result.message.includes("canary"));
  assert.deepEqual(errors, ["integration.unexpected"]);
});
