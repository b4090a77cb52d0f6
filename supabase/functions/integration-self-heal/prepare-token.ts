import { roundDelaySeconds } from "../_shared/core/recovery/backoff.ts";
import type { FreshToken, GrantRefresher } from "../_shared/grants/refresher.ts";
import type { Clock } from "../_shared/ports.ts";
import { held } from "./hold-in-safe-mode.ts";
import type { RecoveryResult, WorkItem } from "./recovery-store.ts";

/** The token to send, if the call needs one. */
export interface Token {
  accessToken?: string;
  /** False without a token. */
  bearer: boolean;
  version: number;
  /** True when it replaced the token that failed. */
  refreshed: boolean;
  /** False when it may be the very token that failed: an auth failure then means that it must be replaced. */
  fresh: boolean;
}

export interface TokenOptions {
  refresher: GrantRefresher;
  clock: Clock;
}

const NO_TOKEN: Token = { bearer: false, version: -1, refreshed: false, fresh: false };
const untouched = { attempts: 0, reached_provider: false } as const;

/** Gets the token that the call needs, or says why the call cannot be made. */
export async function prepareToken(
  { refresher, clock }: TokenOptions,
  work: WorkItem,
  deadline: number,
): Promise<Token | RecoveryResult> {
  const bearer = work.request?.auth === "bearer";
  if (!bearer && work.category !== "auth") return NO_TOKEN;
  const ask = (seen: number) => refresher.freshToken(work.service_name, work.user_id, seen, deadline);
  let token = await ask(work.category === "auth" ? work.token_version_seen ?? -1 : -1);
  if (token.kind === "fresh" && hasExpired(token.expiresAt, clock.now())) {
    token = await ask(token.tokenVersion);
  }
  if (token.kind !== "fresh") return withoutToken(token, work, clock.now());
  if (work.category === "auth" && !bearer) {
    const action = "The token was refreshed; the call cannot be repeated, because its request was not stored";
    return { ...untouched, outcome: "waiting", action_taken: action, after_refresh: true };
  }
  const { accessToken, tokenVersion: version } = token;
  const certain = typeof work.request?.token_version === "number" || version !== work.token_version;
  const replaced = work.category === "auth";
  return { accessToken, bearer, version, refreshed: replaced, fresh: replaced && certain };
}

/** Replaces a token that turned out to be the one that does not work. */
export async function replaceToken(
  { refresher, clock }: TokenOptions,
  work: WorkItem,
  { version }: Token,
  deadline: number,
): Promise<Token | RecoveryResult> {
  const token = await refresher.freshToken(work.service_name, work.user_id, version, deadline);
  if (token.kind !== "fresh") return withoutToken(token, work, clock.now());
  return {
    accessToken: token.accessToken,
    bearer: true,
    version: token.tokenVersion,
    refreshed: true,
    fresh: true,
  };
}

function hasExpired(expiresAt: string | null, now: number): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= now;
}

function withoutToken(
  token: Exclude<FreshToken, { kind: "fresh" }>,
  work: WorkItem,
  now: number,
): RecoveryResult {
  const result = { ...untouched, category: "auth" as const, action_taken: `Not repeated: ${token.message}` };
  switch (token.kind) {
    case "held":
      return held(0);
    case "late":
      return { ...result, outcome: "waiting", delay_seconds: 60 };
    case "failed": {
      if (token.retryAt) {
        const delay = Math.max(0, Date.parse(token.retryAt) - now) / 1_000;
        return { ...result, outcome: "waiting", delay_seconds: delay };
      }
      const delay = roundDelaySeconds("auth", work.attempts + 1, 0);
      const failed = { ...result, attempts: 1, failure_reason: token.message };
      return delay === null
        ? { ...failed, outcome: "gave_up" }
        : { ...failed, outcome: "failed", delay_seconds: delay };
    }
    case "needs_reauth":
    case "no_grant": {
      const signals = {
        signals: [token.kind],
        advice: "Connect the account again",
        owner: "you",
        refreshable: false,
      };
      return { ...result, outcome: "failed", signals };
    }
  }
}
