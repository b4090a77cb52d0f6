import type { GrantRefresher } from "../grants/refresher.ts";
import type { Clock, TokenVault } from "../ports.ts";

/** A token that is about to expire would expire on the way. */
const MARGIN_MS = 60_000;
const REFRESH_TIMEOUT_MS = 5_000;

/** A grant as `begin_integration_call` returns it; the token is encrypted. */
export interface Grant {
  id: string;
  access_token: string | null;
  token_version: number;
  token_expires_at: string | null;
  has_refresh_token: boolean;
  needs_reauth: boolean;
}

/** The token to call with, or why there is none. */
export type Token =
  | { accessToken: string; version: number }
  | { error_code: string; error_message: string };

export interface TokenSource {
  /** The grant's token, refreshed first when it expires within a minute. */
  token(serviceName: string, userId: string | null, grant: Grant | null): Promise<Token>;
}

export function createTokenSource(
  { vault, refresher, clock }: { vault: TokenVault; refresher: GrantRefresher; clock: Clock },
): TokenSource {
  return {
    async token(serviceName, userId, grant) {
      if (!grant?.access_token) {
        return {
          error_code: "unauthorized",
          error_message: `There is no token for ${serviceName}: connect the account first`,
        };
      }
      if (grant.needs_reauth) {
        return {
          error_code: "invalid_grant",
          error_message: `${serviceName} refused the grant for good: connect the account again`,
        };
      }
      const { id, access_token, token_version: version, token_expires_at, has_refresh_token } = grant;
      const expires = token_expires_at === null ? Infinity : Date.parse(token_expires_at);
      if (has_refresh_token && expires - clock.now() < MARGIN_MS) {
        const deadline = clock.now() + REFRESH_TIMEOUT_MS;
        const fresh = await refresher.freshToken(serviceName, userId, version, deadline);
        if (fresh.kind === "fresh") return { accessToken: fresh.accessToken, version: fresh.tokenVersion };
        // Otherwise the old token is tried: it may still be good, and if not, the provider's answer says so.
      }
      return {
        accessToken: await vault.decrypt(`user_integrations/${id}/access_token`, access_token),
        version,
      };
    },
  };
}
