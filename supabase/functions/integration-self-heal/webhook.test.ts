import assert from "node:assert/strict";
import { type OAuthServer, startOAuthServer } from "../../../scripts/demo/oauth-server.ts";
import { behaviours, startProvider } from "../../../scripts/demo/provider.ts";
import { listen, type Listening, readBody } from "../../../scripts/demo/listen.ts";
import { eventually, failureReport, type Healing, startHealing } from "../../../scripts/testing/healing.ts";

let oauth: OAuthServer;
let model: Listening & { asked: string[] };
let healing: Healing;

Deno.test.beforeAll(async () => {
  oauth = await startOAuthServer();
  const provider = await startProvider({ isActive: oauth.isActive });
  const asked: string[] = [];
  const server = await listen(async (request, response) => {
    asked.push(request.headers.authorization + (await readBody(request)));
    response.end(
      JSON.stringify({ choices: [{ message: { content: "It was the moon. password=canary-1234" } }] }),
    );
  });
  model = { ...server, asked };
  healing = await startHealing({
    provider,
    privateHosts: [oauth.host, model.host],
    env: { OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: `http://${model.host}/v1` },
  });
});
Deno.test.afterAll(async () => {
  await healing.stop();
  await oauth.stop();
  await model.stop();
});

const requestsTo = (path: string) => healing.provider.requests.filter((request) => request.path === path);

Deno.test("an outage is ridden through: the call is repeated until it succeeds, with one effect", async () => {
  const service = await healing.register();
  healing.provider.plan("/outage", [behaviours.unavailable, behaviours.reset]);
  const event_id = crypto.randomUUID();
  const { status, body } = await healing.report(service, "/outage", { event_id });
  assert.equal(status, 200);
  const recovery = await healing.recoveryOf(event_id);
  assert.deepEqual(body, {
    success: true,
    recovery_id: recovery!.id,
    category: "network",
    action_taken: "Repeated the call, 3 attempts",
    status: "resolved",
    retry_scheduled: false,
  });
  const [first, second, third] = requestsTo("/outage");
  assert.ok(second!.at - first!.at >= 500 && third!.at - second!.at >= 500);
  assert.equal(third!.headers["x-self-heal-attempt"], recovery!.id);
  const event = await healing.stack
    .sql`select status, retry_count from integration_events where id = ${event_id}`;
  assert.deepEqual([...event], [{ status: "success", retry_count: 3 }]);
});

Deno.test("an expired token is refreshed and the call repeated with the new one", async () => {
  const { service, accessToken, refreshToken } = await healing.connect(oauth);
  const { body } = await healing.post({
    ...failureReport(service, `${healing.provider.url}/private/orders`),
    http_status: 401,
    error_code: "invalid_token",
    error_message: "The access token expired",
    request: { method: "POST", url: `${healing.provider.url}/private/orders`, body: "{}", auth: "bearer" },
  });
  assert.deepEqual([body.category, body.status, body.action_taken], [
    "auth",
    "resolved",
    "Refreshed the token and repeated the call",
  ]);
  const [sent] = requestsTo("/private/orders");
  const token = sent!.headers.authorization!.slice("Bearer ".length);
  assert.equal(await oauth.isActive(token), true);

  const everything = JSON.stringify(
    await healing.stack.sql`
      select (select jsonb_agg(to_jsonb(t)) from integrations_master t) as a, (select jsonb_agg(to_jsonb(t)) from user_integrations t) as b,
        (select jsonb_agg(to_jsonb(t)) from integration_events t) as c, (select jsonb_agg(to_jsonb(t)) from system_integrity_events t) as d,
        (select jsonb_agg(to_jsonb(t)) from audit_log t) as e, (select jsonb_agg(to_jsonb(t)) from outbox t) as f`,
  ) + healing.log.join("\n") + JSON.stringify(body);
  for (const secret of [token, accessToken, refreshToken, oauth.clientSecret]) {
    assert.ok(!everything.includes(secret), "a secret was stored or printed in plain text");
  }
});

Deno.test("200 calls that failed with one expired token are healed by one refresh", async () => {
  const { service } = await healing.connect(oauth);
  const before = oauth.tokenAnswers.length;
  const reports = Array.from({ length: 200 }, () =>
    failureReport(service, "", {
      http_status: 401,
      error_code: "invalid_token",
      error_message: "The access token expired",
      request: { method: "POST", url: `${healing.provider.url}/private/many`, body: "{}", auth: "bearer" },
    }));
  const answers = await Promise.all(reports.map((report) => healing.post(report)));
  assert.deepEqual(answers.filter(({ body }) => body.status !== "resolved"), []);
  assert.deepEqual(oauth.tokenAnswers.slice(before), [200]);
});

Deno.test("a rate limit without a time is retried at once, one with a long time exactly then", async () => {
  const service = await healing.register();
  const limited = { http_status: 429, error_code: "rate_limit_exceeded", error_message: "Too many requests" };
  const short = await healing.report(service, "/limited", {
    ...limited,
    response_headers: { "Retry-After": "1" },
  });
  assert.deepEqual([short.body.category, short.body.status], ["rate_limit", "resolved"]);

  const before = Date.now();
  const long = await healing.report(service, "/limited", {
    ...limited,
    response_headers: { "Retry-After": "90" },
  });
  const after = Date.now();
  assert.deepEqual([long.body.status, long.body.retry_scheduled], ["pending", true]);
  const at = Date.parse(long.body.next_retry_at);
  assert.ok(at >= before + 89_900 && at <= after + 90_100, long.body.next_retry_at);
  assert.equal(requestsTo("/limited").length, 1);
});

Deno.test("a data failure is not repeated, and people are told once", async () => {
  const service = await healing.register();
  const invalid = { http_status: 400, error_code: "validation_error", error_message: "email: is not valid" };
  const { body } = await healing.report(service, "/data", invalid);
  await healing.report(service, "/data", invalid);
  assert.deepEqual([body.category, body.status, body.retry_scheduled], ["data", "pending", false]);
  assert.equal(requestsTo("/data").length, 0);
  const told = await healing.stack.sql`
    select kind, payload ->> 'category' as category from outbox
    where payload ->> 'service_name' = ${service} and channel = 'slack'`;
  assert.deepEqual([...told], [{ kind: "failure", category: "data" }]);
});

Deno.test("an unknown failure is repeated once and then scheduled", async () => {
  const service = await healing.register();
  healing.provider.plan("/odd", [], behaviours.unavailable);
  const { body } = await healing.report(service, "/odd", {
    http_status: 418,
    error_code: null,
    error_message: "?",
  });
  assert.deepEqual([body.status, body.retry_scheduled], ["pending", true]);
  assert.equal(requestsTo("/odd").length, 1);
});

Deno.test("a language model explains an unclear failure for people when the report asks for it", async () => {
  const service = await healing.register();
  const event_id = crypto.randomUUID();
  await healing.report(service, "/unclear", {
    ...{ event_id, http_status: null, error_code: null, useLLM: true },
    error_message: "the flux is sb_secret_canary9f8e7d6c5b",
  });
  const reasoning = await eventually(async () => (await healing.recoveryOf(event_id))!.llm_reasoning);
  assert.equal(reasoning, "It was the moon. password=[redacted]");
  assert.equal(model.asked.length, 1);
  const entries = await healing.stack.sql`select a.actor, a.kind
    from audit_log a join system_integrity_events e on a.resource = 'recovery:' || e.id
    where e.event_id = ${event_id} and a.action = 'failure.explained'`;
  assert.deepEqual([...entries], [{ actor: "language-model", kind: "action" }]);
  assert.match(model.asked[0]!, /^Bearer sk-test.*gpt-4o-mini.*the flux is \[redacted\]/);
});

Deno.test("a POST without an idempotency key is not repeated when it may have taken effect", async () => {
  const service = await healing.register({ idempotency_header: null });
  const { body } = await healing.report(service, "/once");
  assert.equal(body.status, "pending");
  assert.match(body.action_taken, /^Not repeated: the call may have taken effect/);
  assert.equal(requestsTo("/once").length, 0);
});

Deno.test("nothing is repeated to a host that the integration does not allow", async () => {
  const service = await healing.register({ allowed_hosts: ["api.example.com"] });
  const { body } = await healing.report(service, "/foreign");
  assert.deepEqual([body.status, body.category, body.retry_scheduled], ["pending", "data", false]);
  assert.equal(requestsTo("/foreign").length, 0);
});

Deno.test("32 copies of a report at the same time cause one recovery and get the same answer", async () => {
  const service = await healing.register();
  healing.provider.plan("/copies", [behaviours.unavailable]);
  const report = failureReport(service, `${healing.provider.url}/copies`);
  const answers = await Promise.all(Array.from({ length: 32 }, () => healing.post(report)));
  const distinct = new Set(answers.map(({ status, body }) => JSON.stringify([status, body])));
  assert.equal(distinct.size, 1, [...distinct].join("\n"));
  assert.equal(answers[0]!.body.status, "resolved");
  assert.equal(requestsTo("/copies").length, 2);
  assert.equal((await healing.post(report)).body.recovery_id, answers[0]!.body.recovery_id);
  assert.equal(requestsTo("/copies").length, 2);
});

Deno.test("a failure of an unregistered service is recorded and classified, and nothing is repeated", async () => {
  const { body } = await healing.report("nobody-knows-it", "/unregistered");
  assert.deepEqual([body.category, body.status, body.retry_scheduled], ["network", "pending", false]);
  assert.match(body.action_taken, /not registered/);
  assert.equal(requestsTo("/unregistered").length, 0);
});

Deno.test("what is no valid report is refused with the reason, and nothing is stored of it", async () => {
  const service = await healing.register();
  const report = failureReport(service, `${healing.provider.url}/refused`);
  const secret = { apikey: healing.stack.secrets.secretKey };
  const cases: [unknown, Record<string, string>, number, string][] = [
    [report, {}, 401, "auth.required"],
    [report, { apikey: healing.stack.secrets.publishableKey }, 401, "auth.required"],
    [report, { "x-internal-token": "wrong" }, 401, "auth.required"],
    ["{", secret, 400, "request.invalid_json"],
    [{ ...report, payload: { text: "x".repeat(70_000) } }, secret, 413, "request.too_large"],
    [{ ...report, event_id: "7" }, secret, 422, "request.invalid"],
    [{ ...report, mode: "sweep" }, secret, 422, "request.invalid"],
    [{ mode: "scan", limit: 0 }, secret, 422, "request.invalid"],
    [{ mode: "scan", window_minutes: 1_441 }, secret, 422, "request.invalid"],
    [[], secret, 422, "request.invalid"],
  ];
  for (const [body, headers, status, code] of cases) {
    const answer = await healing.post(body, headers);
    assert.deepEqual(
      [answer.status, answer.body.error.code],
      [status, code],
      JSON.stringify(body).slice(0, 80),
    );
  }
  const nested = await healing.post({ ...report, request: { method: "GET", url: 7 } });
  assert.equal(nested.body.error.details[0].path, "request.url");
  assert.equal(await healing.recoveryOf(report.event_id), undefined);
});

Deno.test("the internal token is as good as a secret key", async () => {
  const { status } = await healing.post({ mode: "scan" }, {
    "x-internal-token": healing.stack.secrets.internalWebhookToken,
  });
  assert.equal(status, 200);
});

Deno.test("secrets in a report are neither stored nor repeated", async () => {
  const service = await healing.register();
  const event_id = crypto.randomUUID();
  await healing.report(service, "/canary", {
    event_id,
    error_message: "refused: Authorization: Bearer canary-9f8e7d6c5b",
    payload: { password: "canary-9f8e7d6c5b" },
    request: {
      method: "GET",
      url: `${healing.provider.url}/canary?api_key=canary-9f8e7d6c5b`,
      headers: { authorization: "Bearer canary-9f8e7d6c5b" },
    },
  });
  const rows = await healing.stack.sql`
    select to_jsonb(c) as call, to_jsonb(e) as recovery from integration_events c
    join system_integrity_events e on e.event_id = c.id where c.id = ${event_id}`;
  assert.equal(rows.length, 1);
  assert.ok(!JSON.stringify(rows).includes("canary-9f8e"));
  assert.ok(!healing.log.join("\n").includes("canary-9f8e"));
  assert.equal(requestsTo("/canary").length, 0);
});
