import assert from "node:assert/strict";
import { type OAuthServer, startOAuthServer } from "../../../../scripts/demo/oauth-server.ts";
import type { Stack } from "../../../../scripts/stack/stack.ts";
import { testStack } from "../../../../scripts/testing/stack.ts";
import { systemClock as clock } from "../adapters/clock.ts";
import { createDatabase } from "../adapters/database.ts";
import { createEgress } from "../adapters/egress.ts";
import { createTokenEndpoint } from "../adapters/oauth.ts";
import { createTokenVault } from "../adapters/token-vault.ts";
import { type Database, DatabaseError, type RefreshOutcome, type TokenVault } from "../ports.ts";
import { createGrantRefresher, type FreshToken, type GrantRefresherOptions } from "./refresher.ts";

let stack: Stack;
let vault: TokenVault;

Deno.test.beforeAll(async () => {
  stack = await testStack();
  vault = createTokenVault(stack.secrets.tokenEncryptionKeys);
});
Deno.test.afterAll(() => stack.stop());

/** One process's refresher; `background` keeps what it was given. */
function refresherOf(oauth: { host: string }, options: Partial<GrantRefresherOptions> = {}) {
  const background: Promise<unknown>[] = [];
  const egress = createEgress({ privateHosts: [oauth.host] });
  const refresher = createGrantRefresher({
    database: createDatabase({ url: stack.url, secretKey: stack.secrets.secretKey, timeoutMs: 30_000 }),
    vault,
    tokenEndpoint: createTokenEndpoint({ egress, clock }),
    clock,
    background: (work) => void background.push(work),
    ...options,
  });
  return { ...refresher, background };
}

/** A registered service with a grant whose access token has expired. */
async function connect(oauth: OAuthServer, allowedHosts = [oauth.host]): Promise<string> {
  const service = `service-${crypto.randomUUID()}`;
  const [integrationId, grantId] = [crypto.randomUUID(), crypto.randomUUID()];
  const { accessToken, refreshToken } = await oauth.connect();
  const config = {
    token_url: oauth.tokenUrl,
    client_id: oauth.clientId,
    client_secret: await vault.encrypt(
      `integrations_master/${integrationId}/client_secret`,
      oauth.clientSecret,
    ),
  };
  await stack.sql`insert into integrations_master (id, service_name, oauth_config, allowed_hosts)
    values (${integrationId}, ${service}, ${stack.sql.json(config)}, ${allowedHosts})`;
  await stack.sql`select save_grant(${service}, null, ${grantId},
    ${await vault.encrypt(`user_integrations/${grantId}/access_token`, accessToken)},
    ${await vault.encrypt(`user_integrations/${grantId}/refresh_token`, refreshToken)}, 1)`;
  return service;
}

async function grantOf(service: string) {
  const [grant] = await stack.sql`select * from user_integrations where service_name = ${service}`;
  return grant!;
}

async function using(oauth: OAuthServer, test: (oauth: OAuthServer) => Promise<void>): Promise<void> {
  try {
    await test(oauth);
  } finally {
    await oauth.stop();
  }
}

const soon = () => clock.now() + 20_000;
const tokenOf = (token: FreshToken) => token.kind === "fresh" ? token.accessToken : token.kind;

Deno.test("200 callers in four processes with one expired token cause one refresh, and all get its token", async () => {
  await using(await startOAuthServer({ delayMs: 1_000 }), async (oauth) => {
    const service = await connect(oauth);
    const processes = Array.from({ length: 4 }, () => refresherOf(oauth));
    const calls = Array.from(
      { length: 200 },
      (_, index) => processes[index % 4]!.freshToken(service, null, 1, soon()),
    );
    const tokens = new Set((await Promise.all(calls)).map(tokenOf));
    assert.equal(tokens.size, 1, [...tokens].join());
    assert.deepEqual(oauth.tokenAnswers, [200]);
    assert.equal(await oauth.isActive([...tokens][0]!), true);
  });
});

Deno.test("200 callers cause one refresh also when the OAuth server is slower than the lease", async () => {
  await using(await startOAuthServer({ delayMs: 3_000 }), async (oauth) => {
    const service = await connect(oauth);
    const processes = Array.from({ length: 4 }, () => refresherOf(oauth, { leaseSeconds: 2 }));
    const calls = Array.from(
      { length: 200 },
      (_, index) => processes[index % 4]!.freshToken(service, null, 1, soon()),
    );
    const kinds = new Set((await Promise.all(calls)).map(({ kind }) => kind));
    assert.deepEqual([...kinds], ["failed"]);
    assert.equal(oauth.tokenAnswers.length, 1);
    const grant = await grantOf(service);
    assert.equal(grant.needs_reauth, false);
    assert.ok(grant.refresh_not_before > new Date(), "the next refresh waits");
  });
});

Deno.test("rotated tokens are stored encrypted before anybody gets them", async () => {
  await using(await startOAuthServer(), async (oauth) => {
    const service = await connect(oauth);
    const before = await grantOf(service);
    const token = await refresherOf(oauth).freshToken(service, null, 1, soon());
    assert.equal(token.kind, "fresh");
    const after = await grantOf(service);
    const row = `user_integrations/${after.id}`;
    assert.equal(await vault.decrypt(`${row}/access_token`, after.access_token), tokenOf(token));
    assert.notEqual(
      await vault.decrypt(`${row}/refresh_token`, after.refresh_token),
      await vault.decrypt(`${row}/refresh_token`, before.refresh_token),
    );
    assert.ok(after.token_expires_at > new Date(Date.now() + 3_000_000));
  });
});

Deno.test("new tokens survive a database that is in trouble for a while", async () => {
  await using(await startOAuthServer(), async (oauth) => {
    const service = await connect(oauth);
    const real = createDatabase({ url: stack.url, secretKey: stack.secrets.secretKey });
    let failures = 2;
    const database: Database = {
      async rpc<T>(name: string, args?: Record<string, unknown>) {
        const answer = await real.rpc<T>(name, args);
        // The call takes effect although its caller learns nothing of it.
        if (name !== "store_refreshed_grant" || failures-- <= 0) return answer;
        throw new DatabaseError("database.timeout", "no answer in time", 504);
      },
    };
    const token = await refresherOf(oauth, { database }).freshToken(service, null, 1, soon());
    assert.equal(token.kind, "fresh");
    assert.equal(await oauth.isActive(tokenOf(token)), true);
    assert.deepEqual([oauth.tokenAnswers, (await grantOf(service)).token_version], [[200], 2]);
  });
});

Deno.test("who comes later with the old version gets the stored token without another refresh", async () => {
  await using(await startOAuthServer(), async (oauth) => {
    const service = await connect(oauth);
    const first = await refresherOf(oauth).freshToken(service, null, 1, soon());
    const second = await refresherOf(oauth).freshToken(service, null, 1, soon());
    assert.equal(tokenOf(second), tokenOf(first));
    assert.equal(oauth.tokenAnswers.length, 1);
  });
});

Deno.test("a refresh that is slower than its caller goes on and stores its tokens", async () => {
  await using(await startOAuthServer({ delayMs: 1_000 }), async (oauth) => {
    const service = await connect(oauth);
    const refresher = refresherOf(oauth);
    const late = await refresher.freshToken(service, null, 1, clock.now() + 200);
    assert.equal(late.kind, "late");
    assert.equal((await grantOf(service)).token_version, 1);
    await Promise.all(refresher.background);
    assert.equal((await grantOf(service)).token_version, 2);
  });
});

Deno.test("a revoked grant needs its user, for good", async () => {
  await using(await startOAuthServer(), async (oauth) => {
    const service = await connect(oauth);
    const stolen = await grantOf(service);
    await refresherOf(oauth).freshToken(service, null, 1, soon());
    // The old refresh token comes back, as after restoring a backup: the server sees a reuse and revokes everything.
    await stack
      .sql`update user_integrations set refresh_token = ${stolen.refresh_token} where id = ${stolen.id}`;
    const refresher = refresherOf(oauth);
    assert.equal((await refresher.freshToken(service, null, 2, soon())).kind, "needs_reauth");
    assert.equal((await refresher.freshToken(service, null, 2, soon())).kind, "needs_reauth");
    assert.deepEqual(oauth.tokenAnswers, [200, 400]);
  });
});

Deno.test("when the user connects again during a refused refresh, the new token wins", async () => {
  await using(await startOAuthServer(), async (oauth) => {
    const service = await connect(oauth);
    const { id } = await grantOf(service);
    const tokenEndpoint = {
      async refresh(): Promise<RefreshOutcome> {
        await stack.sql`select save_grant(${service}, null, ${id},
          ${await vault.encrypt(`user_integrations/${id}/access_token`, "connected-again")},
          ${await vault.encrypt(`user_integrations/${id}/refresh_token`, "r")}, 3600)`;
        return { kind: "invalid_grant", message: "invalid_grant" };
      },
    };
    const token = await refresherOf(oauth, { tokenEndpoint }).freshToken(service, null, 1, soon());
    assert.equal(tokenOf(token), "connected-again");
    assert.equal((await grantOf(service)).needs_reauth, false);
  });
});

Deno.test("a refresh that failed for now says so, and the next one waits", async () => {
  await using(await startOAuthServer(), async (oauth) => {
    const service = await connect(oauth);
    let calls = 0;
    const tokenEndpoint = {
      refresh: (): Promise<RefreshOutcome> => {
        calls++;
        return Promise.resolve({ kind: "transient", message: "the server is busy", retryAfterSeconds: 300 });
      },
    };
    const refresher = refresherOf(oauth, { tokenEndpoint });
    assert.deepEqual(await refresher.freshToken(service, null, 1, soon()), {
      kind: "failed",
      message: "the server is busy",
      retryAt: null,
    });
    const again = await refresher.freshToken(service, null, 1, soon());
    assert.ok(again.kind === "failed" && Date.parse(again.retryAt!) > Date.now() + 290_000);
    assert.equal(calls, 1);
  });
});

Deno.test("a client secret goes only to hosts that the integration allows", async () => {
  await using(await startOAuthServer(), async (oauth) => {
    const service = await connect(oauth, ["api.example.com"]);
    const token = await refresherOf(oauth).freshToken(service, null, 1, soon());
    assert.ok(token.kind === "failed");
    assert.match(token.message, /not among the integration's allowed hosts; add the token endpoint's host/);
    assert.equal(oauth.tokenAnswers.length, 0);
  });
});

Deno.test("without a grant or a refresh token there is nothing to refresh", async () => {
  await using(await startOAuthServer(), async (oauth) => {
    const service = await connect(oauth);
    const someone = crypto.randomUUID();
    assert.equal((await refresherOf(oauth).freshToken(service, someone, 0, soon())).kind, "no_grant");
    await stack.sql`update user_integrations set refresh_token = null where service_name = ${service}`;
    assert.equal((await refresherOf(oauth).freshToken(service, null, 1, soon())).kind, "no_grant");
  });
});
