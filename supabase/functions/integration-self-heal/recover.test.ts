import assert from "node:assert/strict";
import { ROUND_MS } from "../_shared/core/recovery/plan.ts";
import type { FreshToken } from "../_shared/grants/refresher.ts";
import { DatabaseError, EgressError, type SystemMode } from "../_shared/ports.ts";
import { type FakeAnswer, fakeEgress } from "../_shared/testing/fake-egress.ts";
import { fakeClock } from "../_shared/testing/fake-clock.ts";
import { fakeMode } from "../_shared/testing/fake-mode.ts";
import { recordingLogger } from "../_shared/testing/recording-logger.ts";
import { createRecover } from "./recover.ts";
import type { WorkItem } from "./recovery-store.ts";

const request = {
  method: "POST",
  url: "https://api.test/orders",
  headers: { "content-type": "application/json" },
  body: '{"a":1}',
  idempotency_key: "k1",
};

function workItem(known: Partial<WorkItem> = {}): WorkItem {
  return {
    recovery_id: "00000000-0000-4000-8000-000000000001",
    event_id: "00000000-0000-4000-8000-000000000002",
    service_name: "orders",
    user_id: null,
    category: "network",
    epoch: 1,
    attempts: 0,
    attempts_allowed: 3,
    taken_over: false,
    failure_reason: "unavailable",
    http_status: 503,
    error_code: null,
    created_at: "2026-01-02T03:04:00+00:00",
    request,
    allowed_hosts: ["api.test"],
    idempotency_header: "Idempotency-Key",
    token_version: null,
    token_version_seen: null,
    ...known,
  };
}

/** Recovers an item against planned answers of the provider and of the refresher. */
async function recovering(
  known: Partial<WorkItem>,
  { answers = [{}], tokens = [], firstDelayMs = 0, secretUrls = {}, slow = false, mode = fakeMode() }: {
    answers?: FakeAnswer[];
    tokens?: FreshToken[];
    firstDelayMs?: number;
    secretUrls?: Record<string, string>;
    /** The refresher needs all the time it is given. */
    slow?: boolean;
    mode?: SystemMode;
  } = {},
) {
  const clock = fakeClock();
  const egress = fakeEgress(...answers);
  const asked: unknown[] = [];
  const refresher = {
    freshToken: async (service: string, user: string | null, seenVersion: number, deadline: number) => {
      asked.push([service, user, seenVersion]);
      if (slow) await clock.sleep(Math.max(0, deadline - clock.now()));
      return await Promise.resolve(tokens[Math.min(asked.length, tokens.length) - 1]!);
    },
  };
  const started = clock.now();
  const logger = recordingLogger();
  const recover = createRecover({ clock, random: () => 0, egress, refresher, mode, logger, secretUrls });
  const result = await recover(workItem(known), firstDelayMs, started + ROUND_MS);
  return { result, requests: egress.requests, sleeps: clock.sleeps, asked, elapsed: clock.now() - started };
}

const bearer = { ...request, auth: "bearer" as const };
const expired = {
  category: "auth" as const,
  http_status: 401,
  token_version: 4,
  token_version_seen: 4,
};
const fresh = (accessToken: string): FreshToken => ({
  kind: "fresh",
  accessToken,
  tokenVersion: 5,
  expiresAt: null,
});
const unavailable = { status: 503, body: "Service Unavailable" };
const limited = (seconds: number) => ({ status: 429, headers: { "retry-after": String(seconds) } });

Deno.test("a call that succeeds when repeated is resolved; it went to the allowed hosts only, with key and tag", async () => {
  const { result, requests, sleeps } = await recovering({}, { firstDelayMs: 250 });
  assert.deepEqual([result.outcome, result.attempts, result.action_taken], [
    "resolved",
    1,
    "Repeated the call",
  ]);
  assert.deepEqual(sleeps, [250]);
  const { url, method, headers, body, allowedHosts, timeoutMs } = requests[0]!;
  assert.deepEqual([method, url, body, allowedHosts], ["POST", request.url, request.body, ["api.test"]]);
  assert.equal(headers!["idempotency-key"], "k1");
  assert.equal(headers!["x-self-heal-attempt"], workItem().recovery_id);
  assert.ok(timeoutMs <= ROUND_MS - 250);
});

Deno.test("a pause and a slow token together leave the call its time", async () => {
  const { requests, elapsed } = await recovering(
    { request: bearer, category: "rate_limit", http_status: 429 },
    { tokens: [fresh("new")], firstDelayMs: 7_000, slow: true },
  );
  assert.ok(elapsed <= ROUND_MS && requests[0]!.timeoutMs >= 2_000, `${elapsed} ${requests[0]?.timeoutMs}`);
});

Deno.test("an outage is tried three times with growing pauses, then scheduled", async () => {
  const { result, requests, sleeps } = await recovering({}, { answers: [unavailable], firstDelayMs: 250 });
  assert.equal(requests.length, 3);
  assert.deepEqual(sleeps, [250, 500, 1_000]);
  assert.deepEqual([result.outcome, result.attempts, result.delay_seconds], ["failed", 3, 60]);
  assert.deepEqual([result.category, result.http_status], ["network", 503]);
  assert.match(result.failure_reason!, /^HTTP 503: Service Unavailable/);
});

Deno.test("no round makes more calls than the retry budget permits", async () => {
  const { requests } = await recovering({ attempts_allowed: 1, attempts: 3 }, { answers: [unavailable] });
  assert.equal(requests.length, 1);
});

Deno.test("a rate limit within a round is waited out exactly when it is short and scheduled when it is long", async () => {
  const short = await recovering({}, { answers: [limited(2), {}] });
  assert.deepEqual([short.result.outcome, short.sleeps], ["resolved", [2_000]]);
  const long = await recovering({}, { answers: [limited(90)] });
  assert.deepEqual([long.result.outcome, long.result.delay_seconds, long.sleeps], ["waiting", 90, []]);
});

Deno.test("an expired token is refreshed before the call is repeated with the fresh one", async () => {
  const { result, requests, asked } = await recovering({ ...expired, request: bearer }, {
    tokens: [fresh("new-token")],
  });
  assert.deepEqual(asked, [["orders", null, 4]]);
  assert.equal(requests[0]!.headers!["authorization"], "Bearer new-token");
  assert.deepEqual([result.outcome, result.after_refresh, result.action_taken], [
    "resolved",
    true,
    "Refreshed the token and repeated the call",
  ]);
});

Deno.test("a fresh token that is refused, too, counts as a failure after the refresh and ends after three", async () => {
  const refused = { answers: [{ status: 401, body: '{"error":"invalid_token"}' }], tokens: [fresh("new")] };
  const first = await recovering({ ...expired, request: bearer }, refused);
  assert.deepEqual([first.result.outcome, first.result.after_refresh, first.result.delay_seconds], [
    "failed",
    true,
    60,
  ]);
  const third = await recovering({ ...expired, request: bearer, attempts: 2 }, refused);
  assert.deepEqual([third.result.outcome, third.result.delay_seconds], ["gave_up", undefined]);
});

const denied = { status: 401, body: '{"error":"invalid_token"}' };

Deno.test("a token that was replaced just before the report is tried first, and replaced when it is refused", async () => {
  const recent = { ...expired, token_version: 5, token_version_seen: 4, request: bearer };
  const works = await recovering(recent, { tokens: [fresh("recent")] });
  assert.deepEqual([works.result.outcome, works.asked.length], ["resolved", 1]);
  const stale = await recovering(recent, {
    answers: [denied, {}],
    tokens: [fresh("recent"), { ...fresh("newest"), tokenVersion: 6 } as FreshToken],
  });
  assert.deepEqual(stale.asked, [["orders", null, 4], ["orders", null, 5]]);
  assert.deepEqual(stale.requests.map(({ headers }) => headers!["authorization"]), [
    "Bearer recent",
    "Bearer newest",
  ]);
  assert.deepEqual([stale.result.outcome, stale.result.attempts], ["resolved", 2]);
});

Deno.test("a token that expires in the middle of an outage is replaced within the round", async () => {
  const stored: FreshToken = { kind: "fresh", accessToken: "stored", tokenVersion: 4, expiresAt: null };
  const { result, requests } = await recovering({ request: bearer, token_version: 4 }, {
    answers: [denied, {}],
    tokens: [stored, fresh("new")],
  });
  assert.deepEqual([result.outcome, result.after_refresh, requests.length], ["resolved", true, 2]);
});

Deno.test("a call that names the token it used is not repeated with a third one", async () => {
  const named = { ...bearer, token_version: 4 };
  const { result, asked, requests } = await recovering(
    { ...expired, token_version: 5, request: named },
    { answers: [denied], tokens: [fresh("recent")] },
  );
  assert.deepEqual([asked.length, requests.length, result.outcome, result.after_refresh], [
    1,
    1,
    "failed",
    true,
  ]);
});

Deno.test("without a stored request the token is refreshed and the failure waits for the next success", async () => {
  const { result, requests } = await recovering({ ...expired, request: null }, { tokens: [fresh("new")] });
  assert.equal(requests.length, 0);
  assert.deepEqual([result.outcome, result.delay_seconds, result.attempts], ["waiting", undefined, 0]);
  assert.match(result.action_taken, /token was refreshed; the call cannot be repeated.*not stored/);
});

Deno.test("each way in which a refresh fails leads to its own outcome, and no call is made", async () => {
  const retryAt = new Date(fakeClock().now() + 45_000).toISOString();
  const message = "why";
  const cases: [FreshToken, unknown[]][] = [
    [{ kind: "needs_reauth", message }, ["failed", undefined, 0]],
    [{ kind: "no_grant", message }, ["failed", undefined, 0]],
    [{ kind: "late", message }, ["waiting", 60, 0]],
    [{ kind: "failed", message, retryAt }, ["waiting", 45, 0]],
    [{ kind: "failed", message, retryAt: null }, ["failed", 60, 1]],
  ];
  for (const [token, expected] of cases) {
    const { result, requests } = await recovering({ ...expired, request: bearer }, { tokens: [token] });
    assert.deepEqual([result.outcome, result.delay_seconds, result.attempts], expected, token.kind);
    assert.match(result.action_taken, /why/);
    assert.equal(requests.length, 0);
    const forPeople = token.kind === "needs_reauth" || token.kind === "no_grant";
    assert.equal(result.signals?.owner, forPeople ? "you" : undefined, token.kind);
  }
});

Deno.test("other failures of a bearer call use the stored token, refreshed first when it has expired", async () => {
  const stored = { kind: "fresh", accessToken: "stored", tokenVersion: 4 } as const;
  const past = new Date(fakeClock().now() - 1).toISOString();
  const valid = await recovering({ request: bearer }, { tokens: [{ ...stored, expiresAt: null }] });
  assert.deepEqual(valid.asked, [["orders", null, -1]]);
  assert.equal(valid.requests[0]!.headers!["authorization"], "Bearer stored");
  const old = await recovering({ request: bearer }, {
    tokens: [{ ...stored, expiresAt: past }, fresh("new")],
  });
  assert.deepEqual(old.asked, [["orders", null, -1], ["orders", null, 4]]);
  assert.equal(old.requests[0]!.headers!["authorization"], "Bearer new");
});

Deno.test("a POST that may have taken effect is not repeated, neither at first nor after a timeout", async () => {
  const plain = { idempotency_header: null };
  const first = await recovering(plain);
  assert.equal(first.requests.length, 0);
  assert.deepEqual([first.result.outcome, first.result.delay_seconds], ["failed", undefined]);
  assert.match(first.result.action_taken, /may have taken effect/);

  const timeout = new EgressError("egress.timeout", "api.test did not answer in time", true);
  const limitedFirst = { ...plain, category: "rate_limit" as const, http_status: 429 };
  const second = await recovering(limitedFirst, { answers: [timeout] });
  assert.equal(second.requests.length, 1);
  assert.deepEqual([second.result.outcome, second.result.delay_seconds], ["failed", undefined]);
});

Deno.test("a POST whose connection never came about is repeated even without a key", async () => {
  const refused = new EgressError("egress.connection", "The connection to api.test failed", false);
  const { result, requests } = await recovering(
    { idempotency_header: null, http_status: null, error_code: "ECONNREFUSED" },
    { answers: [refused, {}] },
  );
  assert.deepEqual([result.outcome, requests.length], ["resolved", 2]);
});

Deno.test("what our own guard refuses is told to people and not tried again", async () => {
  const blocked = new EgressError("egress.host_not_allowed", "The host api.test is not allowed", false);
  const { result, requests } = await recovering({}, { answers: [blocked] });
  assert.deepEqual([result.outcome, result.category, result.delay_seconds, requests.length], [
    "failed",
    "data",
    undefined,
    1,
  ]);
});

Deno.test("an address that is a secret comes from its setting, and only from those that exist", async () => {
  const secretUrls = { SLACK_WEBHOOK_URL: "https://hooks.slack.test/services/canary" };
  const named = (url_secret: string) => ({
    request: { ...request, url: "https://hooks.slack.test/", url_secret },
  });
  const { requests } = await recovering(named("SLACK_WEBHOOK_URL"), { secretUrls });
  assert.equal(requests[0]!.url, secretUrls.SLACK_WEBHOOK_URL);
  for (const name of ["OPENAI_API_KEY", "constructor", "MICROSOFT_TEAMS_WEBHOOK_URL"]) {
    const { result, requests: none } = await recovering(named(name), { secretUrls });
    assert.deepEqual([result.outcome, none.length], ["failed", 0], name);
  }
});

Deno.test("an answer that says it failed with status 200 is a failure, and its secrets are hidden", async () => {
  const body = JSON.stringify({ ok: false, error: "channel_not_found", token: "canary-9f8e7d6c5b" });
  const { result } = await recovering({}, { answers: [{ body }] });
  assert.deepEqual([result.outcome, result.category], ["failed", "data"]);
  assert.match(result.failure_reason!, /channel_not_found/);
  assert.ok(!JSON.stringify(result).includes("canary"));
});

Deno.test("no recovery stays longer than ten seconds, however slow the provider is", async () => {
  const clock = fakeClock();
  const slow = {
    send: ({ timeoutMs }: { timeoutMs: number }) => {
      clock.advance(timeoutMs);
      return Promise.reject(new EgressError("egress.timeout", "api.test did not answer in time", true));
    },
  };
  const started = clock.now();
  const refresher = { freshToken: () => assert.fail("no token is needed") };
  const recover = createRecover({
    ...{ clock, random: () => 0.9, egress: slow, refresher, secretUrls: {} },
    ...{ mode: fakeMode(), logger: recordingLogger() },
  });
  const result = await recover(workItem(), 500, started + ROUND_MS);
  assert.equal(result.outcome, "failed");
  assert.ok(clock.now() - started <= ROUND_MS, `${clock.now() - started} ms`);
});

Deno.test("what a dead worker may have sent is sent again only under its idempotency key", async () => {
  const lost = { taken_over: true, attempts: 1, category: "rate_limit" as const, http_status: 429 };
  const keyed = await recovering({ ...lost, request: { ...request, idempotency_key: null } });
  assert.equal(keyed.requests[0]!.headers!["idempotency-key"], workItem().recovery_id);
  const unkeyed = { ...request, idempotency_key: null };
  const unclear = await recovering({ ...lost, category: "network", http_status: 503, request: unkeyed });
  assert.equal(unclear.requests.length, 0, "the failed call itself had no key");
  const plain = await recovering({ ...lost, idempotency_header: null });
  assert.deepEqual([plain.requests.length, plain.result.outcome, plain.result.delay_seconds], [
    0,
    "failed",
    undefined,
  ]);
});

Deno.test("an item over which every worker died is given up without another try", async () => {
  const { result, requests } = await recovering({ taken_over: true, attempts: 12 });
  assert.deepEqual([result.outcome, requests.length], ["gave_up", 0]);
});

Deno.test("an idempotency key that the provider has forgotten meanwhile protects nothing", async () => {
  const held = { created_at: "2026-01-01T03:04:00+00:00" };
  for (const known of [held, { ...held, attempts: 1 }]) {
    const { result, requests } = await recovering(known);
    assert.deepEqual([requests.length, result.outcome, result.delay_seconds], [0, "failed", undefined]);
  }
  const get = await recovering({ ...held, request: { ...request, method: "GET" } });
  assert.equal(get.result.outcome, "resolved");
});

Deno.test("an outage after a refresh is an outage, not a failure of the fresh token", async () => {
  const { result } = await recovering({ ...expired, request: bearer }, {
    answers: [unavailable],
    tokens: [fresh("new")],
  });
  assert.deepEqual([result.outcome, result.category, result.after_refresh], ["failed", "network", false]);
});

/** Safe mode begins after so many questions. */
function safeAfter(questions: number): SystemMode {
  return { isSafe: () => Promise.resolve(questions-- <= 0) };
}

Deno.test("in safe mode nothing is sent and no attempt is counted", async () => {
  const { result, requests } = await recovering({}, { mode: fakeMode(true) });
  assert.equal(requests.length, 0);
  assert.deepEqual(result, {
    ...{ outcome: "held", action_taken: "Held: the platform is in safe mode" },
    ...{ attempts: 0, delay_seconds: 0, reached_provider: false },
  });
});

Deno.test("each call asks for the mode: a round that safe mode ends counts the calls that were made", async () => {
  const { result, requests } = await recovering({}, { mode: safeAfter(2), answers: [unavailable] });
  assert.equal(requests.length, 2);
  assert.deepEqual([result.outcome, result.attempts, result.reached_provider], ["held", 2, true]);

  const afterRefresh = {
    mode: safeAfter(1),
    answers: [{ status: 401 }],
    tokens: [fresh("old"), fresh("new")],
  };
  const again = await recovering({ request: bearer, category: "network" }, afterRefresh);
  assert.deepEqual([again.requests.length, again.result.outcome, again.result.attempts], [1, "held", 1]);
});

Deno.test("a token that safe mode keeps from being refreshed is no failure of its grant", async () => {
  const tokens: FreshToken[] = [{ kind: "held", message: "safe mode" }];
  const { result, requests } = await recovering({ ...expired, request: bearer }, { tokens });
  assert.equal(requests.length, 0);
  assert.deepEqual([result.outcome, result.attempts, result.category], ["held", 0, undefined]);
});

Deno.test("when the mode cannot be read nothing is sent, and it is asked again in a minute", async () => {
  const mode = { isSafe: () => Promise.reject(new DatabaseError("database.timeout", "late", 504)) };
  const { result, requests } = await recovering({}, { mode });
  assert.equal(requests.length, 0);
  assert.deepEqual([result.outcome, result.attempts, result.delay_seconds], ["held", 0, 60]);
  assert.match(result.action_taken, /nobody knows/);
});
