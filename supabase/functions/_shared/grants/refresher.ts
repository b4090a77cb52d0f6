import type { Background, Clock, Database, TokenEndpoint, TokenVault } from "../ports.ts";
import { type Claim, exchangeToken, REAUTH } from "./exchange-token.ts";
import type { FreshToken } from "./fresh-token.ts";

export type { FreshToken } from "./fresh-token.ts";

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
const POLL_MS = 200;

/** One refresh under way in this process, shared by all callers that arrive meanwhile. */
interface Flight {
  result: Promise<FreshToken>;
  /** While another process refreshes, this one waits until the last of its callers must go on. */
  until: number;
}

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
          accessToken: await vault.decrypt(
            `user_integrations/${claim.grant_id}/access_token`,
            claim.access_token!,
          ),
          tokenVersion: claim.token_version,
          expiresAt: claim.token_expires_at,
        };
      case "claimed": {
        const result = await exchangeToken({ ...options, leaseSeconds }, claim);
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
      case "safe_mode":
        return { kind: "held", message: "The platform is in safe mode, so no token is refreshed" };
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
