import { decideTarget } from "../core/egress/target.ts";
import type { Background, Clock, Database, TokenEndpoint, TokenVault } from "../ports.ts";

/** What a caller gets instead of a token that is no good any more. */
export type FreshToken =
  | { kind: "fresh"; accessToken: string; tokenVersion: number; expiresAt: string | null }
  /** The provider refused the grant for good: the user must connect again. */
  | { kind: "needs_reauth"; message: string }
  /** There is nothing to refresh with: no grant, no refresh token, or no OAuth client. */
  | { kind: "no_grant"; message: string }
  /** No new token now; another refresh is possible from `retryAt` (ISO 8601) on. */
  | { kind: "failed"; message: string; retryAt: string | null }
  /** The deadline passed first. The refresh goes on and stores its tokens when they come. */
  | { kind: "late"; message: string };

export interface GrantRefresher {
  /**
   * The grant's access token, newer than `seenVersion`. However many callers in however many processes ask at once, the
   * provider sees one refresh.
   *
   * @param userId null for the project's own grant
   * @param seenVersion `token_version` of the token that does not work; -1 for "whatever is stored"
   * @param deadline instant of the given clock, in milliseconds, by which the caller must go on
   * @throws {DatabaseError} when the database cannot be asked
   */
  freshToken(
    serviceName: string,
    userId: string | null,
    seenVersion: number,
    deadline: number,
  ): Promise<FreshToken>;
}

export interface GrantRefresherOptions {
  database: Database;
  vault: TokenVault;
  tokenEndpoint: TokenEndpoint;
  clock: Clock;
  background: Background;
  /** How long one worker may own a refresh. */
  leaseSeconds?: number;
}

const LEASE_SECONDS = 60;
/** Share of the lease that the token endpoint may take, so that the result is stored well before the lease ends. */
const HTTP_SHARE_OF_LEASE = 0.4;
const POLL_MS = 200;

/** The answer of `claim_refresh`. */
interface Claim {
  outcome: "claimed" | "fresh" | "busy" | "needs_reauth" | "no_grant" | "backoff";
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

/** One refresh under way in this process, shared by all callers that arrive meanwhile. */
interface Flight {
  result: Promise<FreshToken>;
  /** While another process refreshes, this one waits until the last of its callers must go on. */
  until: number;
}

const REAUTH: FreshToken = {
  kind: "needs_reauth",
  message: "The provider refused the grant for good; the user must connect again",
};

/**
 * Refreshes OAuth grants so that each expired token is exchanged once: callers of one process share a flight, processes
 * exclude each other by a lease in the database, and a worker that lost its lease cannot store its result (epoch and
 * compare-and-swap on the token version). New tokens are stored before anybody uses them.
 */
export function createGrantRefresher(options: GrantRefresherOptions): GrantRefresher {
  const { clock, background } = options;
  const flights = new Map<string, Flight>();

  function join(serviceName: string, userId: string | null, seenVersion: number, deadline: number): Flight {
    const key = JSON.stringify([serviceName, userId, seenVersion]);
    const known = flights.get(key);
    if (known) {
      known.until = Math.max(known.until, deadline);
      return known;
    }
    const flight: Flight = { until: deadline, result: undefined as never };
    flight.result = fly(options, serviceName, userId, seenVersion, () => flight.until)
      .finally(() => flights.delete(key));
    flights.set(key, flight);
    background(flight.result);
    return flight;
  }

  return {
    async freshToken(serviceName, userId, seenVersion, deadline) {
      const { result } = join(serviceName, userId, seenVersion, deadline);
      const answered = new AbortController();
      const late = clock.sleep(Math.max(0, deadline - clock.now()), answered.signal).then(
        () => LATE,
        () => LATE, // The result won; nobody looks at this any more.
      );
      try {
        return await Promise.race([result, late]);
      } finally {
        answered.abort();
      }
    },
  };
}

const LATE: FreshToken = {
  kind: "late",
  message: "The token refresh takes longer than the caller can wait; its tokens are stored when they come",
};

async function fly(
  options: GrantRefresherOptions,
  serviceName: string,
  userId: string | null,
  seenVersion: number,
  until: () => number,
): Promise<FreshToken> {
  const { database, vault, clock, leaseSeconds = LEASE_SECONDS } = options;
  while (true) {
    const claim = await database.rpc<Claim>("claim_refresh", {
      p_service_name: serviceName,
      p_user_id: userId,
      p_seen_version: seenVersion,
      p_lease_seconds: leaseSeconds,
    });
    switch (claim.outcome) {
      case "fresh":
        return {
          kind: "fresh",
          accessToken: await vault.open(
            `user_integrations/${claim.grant_id}/access_token`,
            claim.access_token!,
          ),
          tokenVersion: claim.token_version,
          expiresAt: claim.token_expires_at,
        };
      case "claimed": {
        const result = await exchange(options, claim);
        if (result) return result;
        break; // The lease was lost: what happened meanwhile is in the database.
      }
      case "busy":
        if (clock.now() >= until()) return LATE;
        await clock.sleep(POLL_MS);
        break;
      case "backoff":
        return {
          kind: "failed",
          message: "The last token refresh failed; the next one must wait",
          retryAt: claim.retry_at,
        };
      case "needs_reauth":
        return REAUTH;
      case "no_grant":
        return {
          kind: "no_grant",
          message: `There is no refresh token or no OAuth client for ${serviceName}`,
        };
    }
  }
}

/** Exchanges the refresh token of a claimed grant and stores what came of it; null when the lease was lost meanwhile. */
async function exchange(options: GrantRefresherOptions, claim: Claim): Promise<FreshToken | null> {
  const { tokenEndpoint, database, leaseSeconds = LEASE_SECONDS } = options;
  let config: Parameters<TokenEndpoint["refresh"]>[0];
  let refreshToken: string;
  try {
    ({ config, refreshToken } = await unseal(options.vault, claim));
  } catch (error) {
    // Without ending the lease, nobody could try again before it runs out.
    return await fail(database, claim, "transient", `Not refreshed: ${(error as Error).message}`);
  }
  const outcome = await tokenEndpoint.refresh(
    config,
    refreshToken,
    leaseSeconds * 1_000 * HTTP_SHARE_OF_LEASE,
  );
  if (outcome.kind === "refreshed") return await store(options, claim, outcome);
  const retryAfter = outcome.kind === "transient" ? outcome.retryAfterSeconds : undefined;
  return await fail(database, claim, outcome.kind, outcome.message, retryAfter);
}

async function unseal(vault: TokenVault, claim: Claim) {
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
        ? await vault.open(`integrations_master/${claim.integration_id}/client_secret`, secret)
        : undefined,
      scopes: typeof scopes === "string" ? scopes.split(/[\s,]+/) : scopes,
    },
    refreshToken: await vault.open(
      `user_integrations/${claim.grant_id}/refresh_token`,
      claim.refresh_token!,
    ),
  };
}

/** Stores the new pair before anybody uses it: a crash after this point loses nothing. */
async function store(
  { database, vault }: GrantRefresherOptions,
  claim: Claim,
  tokens: { accessToken: string; refreshToken?: string; expiresInSeconds?: number },
): Promise<FreshToken | null> {
  const row = `user_integrations/${claim.grant_id}`;
  const stored = await database.rpc<boolean>("store_refreshed_grant", {
    p_grant_id: claim.grant_id,
    p_epoch: claim.epoch,
    p_seen_version: claim.token_version,
    p_access_token: await vault.seal(`${row}/access_token`, tokens.accessToken),
    p_refresh_token: tokens.refreshToken
      ? await vault.seal(`${row}/refresh_token`, tokens.refreshToken)
      : null,
    p_expires_in_seconds: tokens.expiresInSeconds ?? null,
  });
  return stored
    ? {
      kind: "fresh",
      accessToken: tokens.accessToken,
      tokenVersion: claim.token_version + 1,
      expiresAt: null,
    }
    : null;
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
