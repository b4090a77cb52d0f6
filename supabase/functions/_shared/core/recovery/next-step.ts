import type { Classification } from "../failure/failure.ts";
import { roundDelaySeconds, shortDelayMs } from "./backoff.ts";
import { CALL_RESERVE_MS } from "./plan.ts";

/** What is known after a repeated call failed, too. */
export interface Round {
  failure: Classification;
  /** Whether the call may be sent once more without the risk of a second effect. */
  safe: boolean;
  /** Calls made and permitted in this round, and made in earlier rounds. */
  calls: number;
  callsAllowed: number;
  callsBefore: number;
  /** Whether this round's token is a fresh one. */
  refreshed: boolean;
  /** How long ago the failure was reported. */
  ageSeconds: number;
  /** What is left of the function's time. */
  remainingMs: number;
  /** Uniform in [0, 1). */
  random: number;
}

export type NextStep =
  | { kind: "again"; delayMs: number }
  | {
    kind: "end";
    outcome: "waiting" | "failed" | "gave_up";
    action_taken: string;
    /** When to try again; without it people must act. */
    delay_seconds?: number;
  };

/** A wait costs no attempt, so something else must end a limit that never ends. */
const LONGEST_WAITING_SECONDS = 3 * 24 * 60 * 60;

/** Decides what follows a repeated call that failed: another call in this round, a later round, or people. */
export function decideNextStep(round: Round): NextStep {
  const { failure, safe, calls, random } = round;
  const asked = failure.retry_after_seconds;
  if (failure.category === "data") {
    return end("failed", `The repeated call was refused, people were told. ${failure.advice}`);
  }
  if (failure.category === "auth") return afterAuthFailure(round);
  if (!safe) {
    return end(
      "failed",
      "Not repeated again: the last call may have taken effect, and the provider has no idempotency key for it",
    );
  }
  const delayMs = asked !== null ? asked * 1_000 : shortDelayMs(calls + 1, random);
  if (calls < round.callsAllowed && delayMs + CALL_RESERVE_MS <= round.remainingMs) {
    return { kind: "again", delayMs };
  }
  if (failure.category === "rate_limit" && asked !== null) {
    return round.ageSeconds + asked > LONGEST_WAITING_SECONDS
      ? end("gave_up", "Given up: the provider has asked to wait for three days, people were told")
      : end("waiting", `Waiting ${asked} s, as the provider asked`, asked);
  }
  return later(round, asked ?? 0);
}

function afterAuthFailure(round: Round): NextStep {
  if (!round.refreshed) {
    return end("waiting", "The token expired meanwhile; it is refreshed before the next call", 0);
  }
  return round.failure.refreshable === false
    ? end("failed", `The provider refuses the call with a fresh token, too. ${round.failure.advice}`)
    : later(round, 0);
}

function later(round: Round, askedSeconds: number): NextStep {
  const attempts = round.callsBefore + round.calls;
  const delay = roundDelaySeconds(round.failure.category, attempts, round.random);
  if (delay === null) return end("gave_up", `Given up after ${count(attempts)}, people were told`);
  const how = round.refreshed ? "with a fresh token, " : "";
  const action = `The call failed again (${how}${count(attempts)} so far); the next one is scheduled`;
  return end("failed", action, Math.max(askedSeconds, delay));
}

function count(attempts: number): string {
  return attempts === 1 ? "1 attempt" : `${attempts} attempts`;
}

function end(
  outcome: "waiting" | "failed" | "gave_up",
  action_taken: string,
  delay_seconds?: number,
): NextStep {
  return { kind: "end", outcome, action_taken, ...(delay_seconds !== undefined && { delay_seconds }) };
}
