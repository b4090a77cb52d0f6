import { decideTarget } from "../core/egress/target.ts";
import { type Clock, type Database, DatabaseError, type TokenEndpoint, type TokenVault } from "../ports.ts";
import type { FreshToken } from "./fresh-token.ts";

export interface ExchangeOptions {
  database: Database;
  vault: TokenVault;
  tokenEndpoint: TokenEndpoint;
  clock: Clock;
  /** How long this worker owns the refresh. */
  leaseSeconds: number;
}

/** Share of the lease that the token endpoint may take, so that the result is stored well before the lease ends. */
const HTTP_SHARE_OF_LEASE = 0.4;
/** Share of the lease after which storing the result is given up. */
const STORE_SHARE_OF_LEASE = 0.9;
const STORE_PAUSE_MS = 500;

/** The answer of `claim_refresh`. */
export interface Claim {
  outcome: "claimed" | "fresh" | "busy" | "needs_reauth" | "no_grant" | "backoff" | "safe_mode";
  grant_id: string;
  integration_id: string;
  token_version: number;
  epoch: number;
  access_token: string | null;
  refresh_token: string | null;
  token_expires_at: string | null;
  retry_at: string | null;
  oauth_config:
    | { token_url: string; client_id: string; client_secret?: string | null; scopes?: string[] | string }
    | null;
  allowed_hosts: string[];
}

export const REAUTH: FreshToken = {
  kind: "needs_reauth",
  message: "The provider refused the grant for good; the user must connect again",
};

/** Exchanges the refresh token of a claimed grant and stores what came of it; null when the lease was lost meanwhile. */
export async function exchangeToken(options: ExchangeOptions, claim: Claim): Promise<FreshToken | null> {
  const { tokenEndpoint, database, clock, leaseSeconds } = options;
  const leaseMs = leaseSeconds * 1_000;
  const storeUntil = clock.now() + leaseMs * STORE_SHARE_OF_LEASE;
  let config: Parameters<TokenEndpoint["refresh"]>[0];
  let refreshToken: string;
  try {
    ({ config, refreshToken } = await decryptSecrets(options.vault, claim));
  } catch (error) {
    // Without ending the lease, nobody could try again before it runs out.
    return await fail(database, claim, "transient", `Not refreshed: ${(error as Error).message}`);
  }
  const outcome = await tokenEndpoint.refresh(config, refreshToken, leaseMs * HTTP_SHARE_OF_LEASE);
  if (outcome.kind === "refreshed") return await store(options, claim, outcome, storeUntil);
  const retryAfter = outcome.kind === "transient" ? outcome.retryAfterSeconds : undefined;
  return await fail(database, claim, outcome.kind, outcome.message, retryAfter);
}

async function decryptSecrets(vault: TokenVault, claim: Claim) {
  const { token_url: tokenUrl, client_id: clientId, client_secret: secret, scopes } = claim.oauth_config!;
  const target = decideTarget(tokenUrl, { allowedHosts: claim.allowed_hosts, privateHosts: [] });
  if (!target.allowed && target.code === "egress.host_not_allowed") {
    throw new Error(`${target.reason}; add the token endpoint's host to allowed_hosts`);
  }
  return {
    config: {
      tokenUrl,
      clientId,
      clientSecret: secret
        ? await vault.decrypt(`integrations_master/${claim.integration_id}/client_secret`, secret)
        : undefined,
      scopes: typeof scopes === "string" ? scopes.split(/[\s,]+/) : scopes,
    },
    refreshToken: await vault.decrypt(
      `user_integrations/${claim.grant_id}/refresh_token`,
      claim.refresh_token!,
    ),
  };
}

/** Stores the new pair before anybody uses it: a crash after this point loses nothing. */
async function store(
  options: ExchangeOptions,
  claim: Claim,
  tokens: { accessToken: string; refreshToken?: string; expiresInSeconds?: number },
  until: number,
): Promise<FreshToken | null> {
  const { vault } = options;
  const row = `user_integrations/${claim.grant_id}`;
  const stored = await insist(options, until, "store_refreshed_grant", {
    p_grant_id: claim.grant_id,
    p_epoch: claim.epoch,
    p_seen_version: claim.token_version,
    p_access_token: await vault.encrypt(`${row}/access_token`, tokens.accessToken),
    p_refresh_token: tokens.refreshToken
      ? await vault.encrypt(`${row}/refresh_token`, tokens.refreshToken)
      : null,
    p_expires_in_seconds: tokens.expiresInSeconds ?? null,
  });
  if (!stored) return null;
  const { accessToken } = tokens;
  return { kind: "fresh", accessToken, tokenVersion: claim.token_version + 1, expiresAt: null };
}

/**
 * Repeats a call while the database is in trouble: the old refresh token is used up, and only this process knows the
 * new one. When an earlier try took effect after all, the next one is refused by its version and changes nothing.
 */
async function insist(
  { database, clock }: ExchangeOptions,
  until: number,
  name: string,
  args: Record<string, unknown>,
): Promise<boolean> {
  while (true) {
    try {
      return await database.rpc<boolean>(name, args);
    } catch (error) {
      const passing = error instanceof DatabaseError && error.status >= 500;
      if (!passing || clock.now() >= until) throw error;
      await clock.sleep(STORE_PAUSE_MS);
    }
  }
}

async function fail(
  database: Database,
  claim: Claim,
  outcome: "invalid_grant" | "transient" | "unknown",
  message: string,
  retryAfterSeconds?: number,
): Promise<FreshToken | null> {
  const recorded = await database.rpc<boolean>("fail_refresh", {
    p_grant_id: claim.grant_id,
    p_epoch: claim.epoch,
    p_outcome: outcome,
    p_error: message,
    p_retry_after_seconds: retryAfterSeconds ?? null,
  });
  if (!recorded) return null;
  return outcome === "invalid_grant" ? REAUTH : { kind: "failed", message, retryAt: null };
}
