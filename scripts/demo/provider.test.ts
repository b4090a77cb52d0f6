import assert from "node:assert/strict";
import { startOAuthServer } from "./oauth-server.ts";
import { behaviours, startProvider } from "./provider.ts";

Deno.test("a refresh token works once; using it again revokes the whole grant", async () => {
  const oauth = await startOAuthServer();
  try {
    const { accessToken, refreshToken } = await oauth.connect();
    assert.equal(await oauth.isActive(accessToken), false);
    const first = await refresh(oauth, refreshToken);
    assert.equal(first.status, 200);
    assert.notEqual(first.body.refresh_token, refreshToken);
    assert.equal(await oauth.isActive(first.body.access_token), true);

    const second = await refresh(oauth, refreshToken);
    assert.deepEqual([second.status, second.body.error], [400, "invalid_grant"]);
    assert.equal(await oauth.isActive(first.body.access_token), false);
    assert.deepEqual(oauth.tokenAnswers, [200, 400]);
  } finally {
    await oauth.stop();
  }
});

Deno.test("the provider lets only valid tokens into its private part", async () => {
  const provider = await startProvider({ isActive: (token) => Promise.resolve(token === "good") });
  const statusWith = async (token: string) => {
    const response = await fetch(`${provider.url}/private/me`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await response.body?.cancel();
    return response.status;
  };
  try {
    assert.deepEqual([await statusWith("good"), await statusWith("bad")], [200, 401]);
  } finally {
    await provider.stop();
  }
});

Deno.test("the provider fails as planned, and a repeated idempotency key has no second effect", async () => {
  const provider = await startProvider();
  provider.plan("/orders", [behaviours.unavailable, behaviours.reset]);
  const order = () =>
    fetch(`${provider.url}/orders`, {
      method: "POST",
      headers: { "idempotency-key": "k1" },
      body: "an order",
    })
      .then(async (response) => (await response.text(), response.status), () => "reset");
  try {
    assert.deepEqual([await order(), await order(), await order(), await order()], [503, "reset", 200, 200]);
    assert.deepEqual(provider.effects, ["an order"]);
    assert.equal(provider.requests.length, 4);
  } finally {
    await provider.stop();
  }
});

async function refresh(
  oauth: { tokenUrl: string; clientId: string; clientSecret: string },
  refreshToken: string,
) {
  const response = await fetch(oauth.tokenUrl, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${oauth.clientId}:${oauth.clientSecret}`)}` },
    body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
  });
  return { status: response.status, body: await response.json() };
}
