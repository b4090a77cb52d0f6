import assert from "node:assert/strict";
import { type Egress, EgressError, type EgressRequest, type EgressResponse } from "../ports.ts";
import { createTokenEndpoint } from "./oauth.ts";

const CONFIG = { tokenUrl: "https://auth.example/token", clientId: "client", clientSecret: "canary-secret" };
const NOW = Date.parse("2026-01-01T00:00:00Z");
const clock = { now: () => NOW, sleep: () => Promise.resolve() };

type Answer = { status: number; body: unknown; headers?: Record<string, string> } | EgressError;

/** A provider that gives the prepared answers one after the other. */
function provider(...answers: Answer[]) {
  const requests: EgressRequest[] = [];
  const egress: Egress = {
    send(request) {
      requests.push(request);
      const answer = answers[Math.min(requests.length, answers.length) - 1]!;
      if (answer instanceof EgressError) return Promise.reject(answer);
      const body = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
      return Promise.resolve<EgressResponse>({ status: answer.status, headers: answer.headers ?? {}, body });
    },
  };
  const endpoint = createTokenEndpoint({ egress, clock });
  const refresh = (config: Partial<typeof CONFIG> = {}) =>
    endpoint.refresh({ ...CONFIG, ...config }, "canary-refresh", 5_000);
  return { endpoint, refresh, requests };
}

Deno.test("a refresh is a form with the grant and no scope, and the client authenticates by HTTP Basic", async () => {
  const { refresh, requests } = provider({ status: 200, body: { access_token: "a", token_type: "Bearer" } });
  await refresh();
  assert.equal(requests.length, 1);
  assert.equal(requests[0]!.url, CONFIG.tokenUrl);
  assert.equal(requests[0]!.method, "POST");
  assert.match(requests[0]!.headers!["content-type"]!, /^application\/x-www-form-urlencoded/);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(requests[0]!.body)), {
    grant_type: "refresh_token",
    refresh_token: "canary-refresh",
  });
  assert.equal(requests[0]!.headers!.authorization, `Basic ${btoa("client:canary%2Dsecret")}`);
});

Deno.test("new tokens are returned, a rotated refresh token and the lifetime with them", async () => {
  const body = { access_token: "a", token_type: "Bearer", refresh_token: "r", expires_in: 3600 };
  assert.deepEqual(await provider({ status: 200, body }).refresh(), {
    kind: "refreshed",
    accessToken: "a",
    refreshToken: "r",
    expiresInSeconds: 3600,
  });
});

Deno.test("answers that deviate from the standard as real providers' do are understood", async () => {
  const bodies = [
    { access_token: "a" },
    { access_token: "a", token_type: "bot", ok: true },
    { access_token: "a", token_type: "bearer", refresh_token: null, expires_in: null, scope: "" },
    { access_token: "a", token_type: "bearer", id_token: "not.verifiable.here" },
  ];
  for (const body of bodies) {
    const outcome = await provider({ status: 200, body }).refresh();
    assert.deepEqual([outcome.kind, "accessToken" in outcome && outcome.accessToken], ["refreshed", "a"]);
  }
  assert.equal((await provider({ status: 201, body: bodies[0] }).refresh()).kind, "refreshed");
  const textual = { status: 200, body: { access_token: "a", expires_in: "3600" } };
  assert.equal((await provider(textual).refresh() as { expiresInSeconds: number }).expiresInSeconds, 3600);
});

Deno.test("a dead grant is final, however the provider says it", async () => {
  const answers: Answer[] = [
    {
      status: 400,
      body: { error: "invalid_grant", error_description: "Token has been expired or revoked." },
    },
    { status: 401, body: { error: "invalid_grant" }, headers: { "www-authenticate": 'Basic realm="x"' } },
    { status: 200, body: { error: "bad_refresh_token" } },
    { status: 200, body: { ok: false, error: "invalid_refresh_token" } },
  ];
  for (const answer of answers) assert.equal((await provider(answer).refresh()).kind, "invalid_grant");
});

Deno.test("a refusal that leaves the refresh token good is transient, with the wait it asks for", async () => {
  const outcome = await provider({
    status: 429,
    body: { error: "slow_down" },
    headers: { "retry-after": "17" },
  }).refresh();
  assert.equal(outcome.kind, "transient");
  assert.equal("retryAfterSeconds" in outcome && outcome.retryAfterSeconds, 17);
  const others: Answer[] = [
    { status: 503, body: "<html>", headers: { "retry-after": "Thu, 01 Jan 2026 00:01:00 GMT" } },
    { status: 400, body: { error: "temporarily_unavailable" } },
    { status: 403, body: "<html>" },
    { status: 400, body: { error: { message: "an object" } } },
    new EgressError("egress.dns", "no such name", false),
  ];
  for (const answer of others) assert.equal((await provider(answer).refresh()).kind, "transient");
});

Deno.test("when the server may have rotated the token, the outcome is unknown and never a success", async () => {
  const answers: Answer[] = [
    new EgressError("egress.timeout", "too late", true),
    { status: 502, body: "<html>" },
    { status: 500, body: { error: "server_error" } },
    { status: 200, body: "<html>" },
    { status: 200, body: { token_type: "bearer" } },
    { status: 200, body: { access_token: 7 } },
    { status: 200, body: { access_token: "a", expires_in: "soon" } },
    { status: 302, body: "" },
  ];
  for (const answer of answers) {
    assert.equal((await provider(answer).refresh()).kind, "unknown", JSON.stringify(answer));
  }
});

Deno.test("a server that wants the secret in the body gets it so on the second try, and at once the next time", async () => {
  const refusals: Answer[] = [
    { status: 401, body: { error: "invalid_client" } },
    { status: 400, body: { error: "invalid_request" } },
    { status: 200, body: { error: "incorrect_client_credentials" } },
    { status: 401, body: "Unauthorized" },
  ];
  for (const refusal of refusals) {
    const success = { status: 200, body: { access_token: "a" } };
    const { endpoint, requests } = provider(refusal, success, success);
    assert.equal((await endpoint.refresh(CONFIG, "r", 5_000)).kind, "refreshed");
    assert.equal((await endpoint.refresh(CONFIG, "r", 5_000)).kind, "refreshed");
    assert.equal(requests.length, 3);
    for (const request of requests.slice(1)) {
      const form = new URLSearchParams(request.body);
      assert.deepEqual([form.get("client_id"), form.get("client_secret")], ["client", "canary-secret"]);
      assert.equal(request.headers!.authorization, undefined);
    }
  }
});

Deno.test("credentials that the server refuses both ways are no dead grant", async () => {
  const refused = { status: 401, body: { error: "invalid_client" } };
  const { refresh, requests } = provider(refused, refused);
  assert.equal((await refresh()).kind, "transient");
  assert.equal(requests.length, 2);
});

Deno.test("a refresh is sent once when the client was accepted, when nobody answered, or when asked to slow down", async () => {
  const answers: Answer[] = [
    { status: 400, body: { error: "invalid_grant" } },
    { status: 429, body: { error: "slow_down" } },
    { status: 500, body: { error: "server_error" } },
    { status: 200, body: "<html>" },
    new EgressError("egress.timeout", "too late", true),
  ];
  for (const answer of answers) {
    const { refresh, requests } = provider(answer);
    await refresh();
    assert.equal(requests.length, 1, JSON.stringify(answer));
  }
});

Deno.test("a public client sends its id only", async () => {
  const { refresh, requests } = provider({ status: 200, body: { access_token: "a" } });
  await refresh({ clientSecret: undefined });
  const form = new URLSearchParams(requests[0]!.body);
  assert.equal(form.get("client_id"), "client");
  assert.equal(form.has("client_secret"), false);
});

Deno.test("secrets that a server echoes do not reach the message", async () => {
  const description = `The token canary-refresh of canary-secret is not known, ${"x".repeat(1000)}`;
  const body = { error: "invalid_grant", error_description: description };
  const outcome = await provider({ status: 400, body }).refresh();
  assert.ok("message" in outcome && !outcome.message.includes("canary"));
  assert.ok("message" in outcome && outcome.message.length <= 300);
});

Deno.test("a configuration that cannot be used is told, not thrown", async () => {
  const outcome = await provider().refresh({ tokenUrl: "not a url" });
  assert.equal(outcome.kind, "transient");
  assert.match("message" in outcome ? outcome.message : "", /was not sent/);
});
