import type { Classification } from "../failure/failure.ts";
import { shortDelayMs } from "./backoff.ts";

/** Longest stay of a recovery inside a function, in milliseconds: sleeps and calls together. */
export const ROUND_MS = 10_000;

/** What is kept of it for the last call, because a call that is cut short leaves its outcome unknown. */
export const CALL_RESERVE_MS = 2_000;

/** Below this confidence a classification does not stop what could heal the failure. */
const CERTAIN = 0.75;

/** What is done about a new failure. */
export interface Plan {
  /** `recover` at once, `wait` for as long as the provider asked, or `tell` people, because repeating does not help. */
  step: "recover" | "wait" | "tell";
  action_taken: string;
  /** Calls that `recover` may make. */
  attempts?: number;
  /** Pause before the first call. */
  delay_seconds?: number;
}

/**
 * The strategy for a failure of this kind. A wait that the provider asked for is obeyed exactly: within the function
 * when it is short, by the schedule when it is long.
 *
 * @param random uniform in [0, 1), for the first pause
 */
export function planRecovery(failure: Classification, random: number): Plan {
  const { category, refreshable, confidence, advice, retry_after_seconds: asked } = failure;
  if (category === "data") return { step: "tell", action_taken: `Not repeated, people were told. ${advice}` };
  if (category === "auth") {
    return refreshable === false && confidence >= CERTAIN
      ? { step: "tell", action_taken: `Not repeated, people were told. ${advice}` }
      : {
        step: "recover",
        action_taken: "Refreshing the token and repeating the call",
        attempts: 1,
        delay_seconds: 0,
      };
  }
  if (asked !== null && asked * 1_000 > ROUND_MS - CALL_RESERVE_MS) {
    return {
      step: "wait",
      action_taken: `Waiting ${asked} s, as the provider asked`,
      delay_seconds: asked,
    };
  }
  if (category === "unknown") {
    return {
      step: "recover",
      action_taken: "Repeating the call once",
      attempts: 1,
      delay_seconds: asked ?? 1,
    };
  }
  return {
    step: "recover",
    action_taken: category === "rate_limit"
      ? "Repeating the call after a short pause"
      : "Repeating the call with growing pauses",
    attempts: 3,
    delay_seconds: asked ?? shortDelayMs(1, random) / 1_000,
  };
}
