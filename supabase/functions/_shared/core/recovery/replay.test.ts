import assert from "node:assert/strict";
import { buildReplay } from "./replay.ts";

const stored = {
  method: "post",
  url: "https://api.test/orders?x=1",
  headers: { "Content-Type": "application/json" },
  body: '{"a":1}',
  idempotency_key: "k1",
};

Deno.test("a request is sent again as it was, tagged, and with its own idempotency key", () => {
  const replay = buildReplay(stored, { recoveryId: "r1", idempotencyHeader: "Idempotency-Key" });
  assert.deepEqual(replay, {
    method: "POST",
    url: "https://api.test/orders?x=1",
    headers: { "content-type": "application/json", "idempotency-key": "k1", "x-self-heal-attempt": "r1" },
    body: '{"a":1}',
  });
});

Deno.test("a stored header never decides on the token, the key or the tag", () => {
  const headers = { AUTHORIZATION: "Bearer old", "idempotency-KEY": "other", "X-Self-Heal-Attempt": "no" };
  const replay = buildReplay({ ...stored, auth: "bearer", headers }, {
    recoveryId: "r1",
    accessToken: "new",
    idempotencyHeader: "Idempotency-Key",
  });
  assert.deepEqual(replay.headers, {
    authorization: "Bearer new",
    "idempotency-key": "k1",
    "x-self-heal-attempt": "r1",
  });
});

Deno.test("a key that the first call sent as a plain header is sent again", () => {
  const replay = buildReplay({ ...stored, idempotency_key: null, headers: { "Idempotency-Key": "own" } }, {
    recoveryId: "r1",
    idempotencyHeader: "idempotency-key",
  });
  assert.equal(replay.headers["idempotency-key"], "own");
});

Deno.test("without a key of its own the recovery's id serves, so that repetitions are recognised", () => {
  const replay = buildReplay({ ...stored, idempotency_key: null }, {
    recoveryId: "r1",
    idempotencyHeader: "Idempotency-Key",
  });
  assert.equal(replay.headers["idempotency-key"], "r1");
});

Deno.test("a provider without idempotency keys gets none, and only bearer requests get the token", () => {
  const replay = buildReplay(stored, { recoveryId: "r1", accessToken: "new", idempotencyHeader: null });
  assert.deepEqual(Object.keys(replay.headers), ["content-type", "x-self-heal-attempt"]);
});

Deno.test("the real address takes the place of the stored one, and GET has no body", () => {
  const replay = buildReplay({ ...stored, method: "GET" }, {
    recoveryId: "r1",
    url: "https://hooks.test/secret",
    idempotencyHeader: null,
  });
  assert.equal(replay.url, "https://hooks.test/secret");
  assert.equal(replay.body, undefined);
});
