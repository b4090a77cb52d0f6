import assert from "node:assert/strict";
import type { FreshToken } from "../grants/refresher.ts";
import { createTokenSource, type Grant } from "./token-source.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const GRANT: Grant = {
  ...{ id: "g1", access_token: "encrypted", token_version: 4, has_refresh_token: true, needs_reauth: false },
  token_expires_at: "2026-11-20T13:00:00Z",
};
const STORED = { accessToken: "opened", version: 4 };

function build(fresh: FreshToken = { kind: "late", message: "" }) {
  const asked: unknown[][] = [];
  const source = createTokenSource({
    clock: { now: () => NOW, sleep: () => Promise.reject(new Error("nothing here waits")) },
    vault: {
      encrypt: () => Promise.reject(new Error("nothing here encrypts")),
      // deno-lint-ignore require-await
      async decrypt(row, encrypted) {
        assert.deepEqual([row, encrypted], ["user_integrations/g1/access_token", "encrypted"]);
        return "opened";
      },
      isEncryptedWithCurrentKey: () => true,
    },
    refresher: { freshToken: (...args) => (asked.push(args), Promise.resolve(fresh)) },
  });
  return { asked, token: (grant: Grant | null) => source.token("crm", "u1", grant) };
}

Deno.test("a token that is valid for an hour is used as it is", async () => {
  const { asked, token } = build();
  assert.deepEqual(await token(GRANT), STORED);
  assert.equal(asked.length, 0);
});

Deno.test("a token that expires within a minute is refreshed before it is used", async () => {
  const fresh = { kind: "fresh" as const, accessToken: "new", tokenVersion: 5, expiresAt: null };
  for (const token_expires_at of ["2026-11-20T12:00:59Z", "2026-11-20T11:00:00Z"]) {
    const { asked, token } = build(fresh);
    assert.deepEqual(await token({ ...GRANT, token_expires_at }), { accessToken: "new", version: 5 });
    assert.deepEqual(asked, [["crm", "u1", 4, NOW + 5_000]]);
  }
});

Deno.test("when the refresh does not come in time, the provider decides about the old token", async () => {
  const { token } = build({ kind: "late", message: "" });
  assert.deepEqual(await token({ ...GRANT, token_expires_at: "2026-11-20T12:00:30Z" }), STORED);
});

Deno.test("a token that cannot be refreshed, or never expires, is used as it is", async () => {
  const { asked, token } = build();
  await token({ ...GRANT, token_expires_at: "2026-11-20T11:00:00Z", has_refresh_token: false });
  await token({ ...GRANT, token_expires_at: null });
  assert.equal(asked.length, 0);
});

Deno.test("without a usable grant people learn what to do", async () => {
  const { token } = build();
  assert.deepEqual(await token({ ...GRANT, needs_reauth: true }), {
    error_code: "invalid_grant",
    error_message: "crm refused the grant for good: connect the account again",
  });
  const missing = {
    error_code: "unauthorized",
    error_message: "There is no token for crm: connect the account first",
  };
  assert.deepEqual(await token(null), missing);
  assert.deepEqual(await token({ ...GRANT, access_token: null }), missing);
});
