import { roundDelaySeconds } from "../_shared/core/recovery/backoff.ts";
import type { FreshToken, GrantRefresher } from "../_shared/grants/refresher.ts";
import type { Clock } from "../_shared/ports.ts";
import type { RecoveryResult, WorkItem } from "./recovery-store.ts";

const untouched = { attempts: 0, reached_provider: false } as const;

/** The token to send, if the call needs one. */
export interface Token {
  accessToken?: string;
  /** True when the token that failed was replaced. */
  refreshed: boolean;
}

/** Gets the token that the call needs, or says why the call cannot be made. */
export async function prepareToken(
  { refresher, clock }: { refresher: GrantRefresher; clock: Clock },
  work: WorkItem,
  deadline: number,
): Promise<Token | RecoveryResult> {
  const seen = work.token_version_seen ?? -1;
  const ask = (version: number) => refresher.freshToken(work.service_name, work.user_id, version, deadline);
  if (work.category === "auth") {
    const fresh = await ask(seen);
    if (fresh.kind !== "fresh") return withoutToken(fresh, work, clock.now());
    if (work.request?.auth === "bearer") return { accessToken: fresh.accessToken, refreshed: true };
    const action = "The token was refreshed; the call cannot be repeated, because its request was not stored";
    return { ...untouched, outcome: "waiting", action_taken: action, after_refresh: true };
  }
  if (work.request?.auth !== "bearer") return { refreshed: false };
  let current = await ask(-1);
  const expired = current.kind === "fresh" && current.expiresAt !== null &&
    Date.parse(current.expiresAt) <= clock.now();
  if (expired && current.kind === "fresh") current = await ask(current.tokenVersion);
  return current.kind === "fresh"
    ? { accessToken: current.accessToken, refreshed: false }
    : withoutToken(current, work, clock.now());
}

function withoutToken(
  token: Exclude<FreshToken, { kind: "fresh" }>,
  work: WorkItem,
  now: number,
): RecoveryResult {
  const result = { ...untouched, category: "auth" as const, action_taken: `${token.message}` };
  switch (token.kind) {
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
      return { ...result, outcome: "failed" };
    case "no_grant":
      return { ...result, outcome: "failed", action_taken: `Not repeated: ${token.message}` };
  }
}
