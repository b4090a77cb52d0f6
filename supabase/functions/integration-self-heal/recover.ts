import type { Classification } from "../_shared/core/failure/failure.ts";
import { roundDelaySeconds } from "../_shared/core/recovery/backoff.ts";
import { decideNextStep, type NextStep } from "../_shared/core/recovery/next-step.ts";
import { CALL_RESERVE_MS } from "../_shared/core/recovery/plan.ts";
import { buildReplay, type Replay } from "../_shared/core/recovery/replay.ts";
import type { StoredRequest } from "../_shared/core/recovery/stored-request.ts";
import type { GrantRefresher } from "../_shared/grants/refresher.ts";
import type { Clock, Egress, Logger, Random, SystemMode } from "../_shared/ports.ts";
import { callAgain, type CallAnswer } from "./call-again.ts";
import { mayBeSent, mayBeSentAgain } from "./call-safety.ts";
import { holdInSafeMode } from "./hold-in-safe-mode.ts";
import { prepareToken, replaceToken, type Token } from "./prepare-token.ts";
import type { RecoveryResult, WorkItem } from "./recovery-store.ts";

export interface RecoverOptions {
  clock: Clock;
  random: Random;
  egress: Egress;
  refresher: GrantRefresher;
  mode: SystemMode;
  logger: Logger;
  /** URLs that are secrets, by the name under which stored requests refer to them. */
  secretUrls: Record<string, string | undefined>;
}

/**
 * Recovers one claimed failure: refreshes the token where that helps, repeats the call, and says what came of it. It
 * stores nothing.
 *
 * @param firstDelayMs pause before the first call
 * @param deadline instant of the clock, in milliseconds, by which it ends
 */
export type Recover = (work: WorkItem, firstDelayMs: number, deadline: number) => Promise<RecoveryResult>;

export function createRecover(options: RecoverOptions): Recover {
  return async (work, firstDelayMs, deadline) => {
    const { request } = work;
    const url = request ? realUrl(request, options.secretUrls) : undefined;
    if (request && !url) {
      return notRepeated("The setting that holds the request's address is missing or not known");
    }
    if (work.taken_over && roundDelaySeconds(work.category, work.attempts, 0) === null) {
      return { ...notRepeated("No attempt ever came to an end; people were told"), outcome: "gave_up" };
    }
    if (request && !mayBeSent(work, request, options.clock.now())) {
      return notRepeated(
        "The call may have taken effect, and the provider has no idempotency key for it; people were told",
      );
    }
    // Before the token is fetched, so that a slow refresh and the pause share the time.
    if (firstDelayMs > 0) await options.clock.sleep(firstDelayMs);
    const token = await prepareToken(options, work, deadline - CALL_RESERVE_MS);
    if ("outcome" in token) return token;
    if (!request) return notRepeated("The request was not stored");
    return await repeat(options, work, { request, url, token, deadline });
  };
}

function realUrl(request: StoredRequest, secretUrls: Record<string, string | undefined>): string | undefined {
  const { url_secret: name, url } = request;
  if (!name) return url;
  return Object.hasOwn(secretUrls, name) ? secretUrls[name] : undefined;
}

function notRepeated(reason: string): RecoveryResult {
  return {
    outcome: "failed",
    action_taken: `Not repeated: ${reason[0]!.toLowerCase()}${reason.slice(1)}`,
    attempts: 0,
    reached_provider: false,
  };
}

function replayOf(work: WorkItem, { request, url }: Round, { accessToken }: Token): Replay {
  return buildReplay(request, {
    recoveryId: work.recovery_id,
    idempotencyHeader: work.idempotency_header,
    accessToken,
    url,
  });
}

interface Round {
  request: StoredRequest;
  url: string | undefined;
  token: Token;
  deadline: number;
}

async function repeat(options: RecoverOptions, work: WorkItem, round: Round): Promise<RecoveryResult> {
  const { clock, random } = options;
  let { token } = round;
  for (let calls = 1;; calls++) {
    const held = await holdInSafeMode(options, calls - 1);
    if (held) return held;
    const answer = await callAgain(options, work, replayOf(work, round, token), round.deadline);
    const { failure } = answer;
    if (!failure) return resolved(work, token, calls);
    if (failure.category === "auth" && token.bearer && !token.fresh) {
      const replacement = await replaceToken(options, work, token, round.deadline - CALL_RESERVE_MS);
      if ("outcome" in replacement) return { ...replacement, attempts: calls, reached_provider: true };
      token = replacement;
      continue;
    }
    const next = decideNextStep({
      failure,
      safe: mayBeSentAgain(work, round.request, { ...answer, failure }),
      calls,
      callsAllowed: work.attempts_allowed,
      callsBefore: work.attempts,
      refreshed: token.refreshed,
      ageSeconds: (clock.now() - Date.parse(work.created_at)) / 1_000,
      remainingMs: round.deadline - clock.now(),
      random: random(),
    });
    if (next.kind === "end") return unresolved({ ...answer, failure }, next, token, calls);
    await clock.sleep(next.delayMs);
  }
}

function unresolved(
  { failure, status, code, reason }: CallAnswer & { failure: Classification },
  next: Extract<NextStep, { kind: "end" }>,
  token: Token,
  calls: number,
): RecoveryResult {
  const { category, signals, advice, owner, refreshable } = failure;
  const { outcome, action_taken, delay_seconds } = next;
  return {
    ...{ outcome, action_taken, delay_seconds, category },
    attempts: calls,
    reached_provider: status !== null,
    after_refresh: token.refreshed && category === "auth",
    http_status: status,
    error_code: code,
    failure_reason: reason,
    signals: { signals, advice, owner, refreshable },
  };
}

function resolved(work: WorkItem, token: Token, calls: number): RecoveryResult {
  const attempts = work.attempts + calls;
  const count = attempts === 1 ? "" : `, ${attempts} attempts`;
  return {
    outcome: "resolved",
    action_taken: `${token.refreshed ? "Refreshed the token and repeated" : "Repeated"} the call${count}`,
    attempts: calls,
    reached_provider: true,
    after_refresh: token.refreshed,
  };
}
