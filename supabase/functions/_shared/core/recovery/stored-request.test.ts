import assert from "node:assert/strict";
import { storableRequest, type StoredRequest, storedRequest } from "./stored-request.ts";

const plain = {
  method: "POST",
  url: "https://api.test/orders",
  headers: { "content-type": "application/json" },
  body: '{"amount":5}',
};

Deno.test("a request without secrets is stored as it is", () => {
  assert.deepEqual(storableRequest(plain), plain);
  assert.deepEqual(storableRequest({ method: "GET", url: "https://api.test/" }), {
    method: "GET",
    url: "https://api.test/",
    headers: {},
  });
});

Deno.test("the bearer token of a request is left out, because a fresh one is put in when it is repeated", () => {
  const stored = storableRequest({
    ...plain,
    auth: "bearer",
    headers: { Authorization: "Bearer secret-canary-token", accept: "text/plain" },
  });
  assert.deepEqual(stored?.headers, { accept: "text/plain" });
});

Deno.test("a request that holds a secret anywhere else is not stored, because without it it would be another one", () => {
  const secrets: StoredRequest[] = [
    { ...plain, headers: { authorization: "Basic dXNlcjpwYXNzd29yZA==" } },
    { ...plain, auth: "bearer", headers: { "x-api-key": "canary-key-1" } },
    { ...plain, url: "https://api.test/orders?access_token=canary" },
    { ...plain, url: "https://user:canary@api.test/" },
    { ...plain, body: '{"password":"canary"}' },
    { ...plain, body: "grant_type=refresh_token&refresh_token=canary" },
  ];
  for (const request of secrets) assert.equal(storableRequest(request), null, JSON.stringify(request));
});

Deno.test("what is no request is told from one", () => {
  assert.equal(storedRequest.safeParse(plain).success, true);
  for (const broken of [null, "GET /", {}, { ...plain, method: "GE T" }, { ...plain, headers: { a: 1 } }]) {
    assert.equal(storedRequest.safeParse(broken).success, false, JSON.stringify(broken));
  }
});

Deno.test("a secret URL that was given instead of its setting's name is neither taken nor stored", () => {
  const request = { method: "POST", url: "", url_secret: "https://hooks.slack.com/services/T0/B0/canary" };
  assert.equal(storedRequest.safeParse(request).success, false);
  assert.equal(storableRequest(request), null);
  const named = { ...request, url_secret: "SLACK_WEBHOOK_URL" };
  assert.equal(storedRequest.safeParse(named).success, true);
  assert.equal(storableRequest(named)?.url_secret, "SLACK_WEBHOOK_URL");
});
