import type { Category } from "../failure/failure.ts";

/** Pauses between the calls of one round, in milliseconds. */
const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;

/** Pauses between later rounds, in seconds: 1, 5, 15, 30 minutes, then every hour. */
const ROUND_DELAYS = [60, 300, 900, 1_800, 3_600];
/** Calls of the first round, which follow each other within seconds. */
const FIRST_ROUND = 3;

/** Where later rounds spread over: at most this much longer than the table says. */
const SPREAD = 0.1;

/**
 * Pause before the n-th repetition within a round: 500 ms, 1 s, 2 s, each times 0.5 to 1, so that callers which failed
 * together do not come back together.
 *
 * @param repetition 1 for the first
 * @param random uniform in [0, 1)
 * @returns milliseconds
 */
export function shortDelayMs(repetition: number, random: number): number {
  const delay = Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** (repetition - 1));
  return delay * (0.5 + random * 0.5);
}

/**
 * When to try again after a round that failed, or null when it is time to give up: an auth failure that a fresh token
 * does not mend after 3 calls, anything else after 12 (about 6 hours).
 *
 * @param attempts calls made so far, in all rounds
 * @param random uniform in [0, 1)
 * @returns seconds, or null
 */
export function roundDelaySeconds(category: Category, attempts: number, random: number): number | null {
  if (attempts >= (category === "auth" ? 3 : 12)) return null;
  const index = Math.min(Math.max(0, attempts - FIRST_ROUND), ROUND_DELAYS.length - 1);
  return Math.round(ROUND_DELAYS[index]! * (1 + random * SPREAD));
}
