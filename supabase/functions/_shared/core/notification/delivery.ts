import { parseRetryAfter } from "../failure/retry-after.ts";
import { redactText } from "../redaction/redact.ts";

/** After this many attempts a message is given up. */
export const MAX_ATTEMPTS = 10;

const FIRST_DELAY_SECONDS = 10;
/** The request or its URL is unusable: sending again cannot help before somebody changes the configuration. */
const FINAL_EGRESS_CODES = ["invalid_url", "blocked_address", "host_not_allowed", "invalid_request"]
  .map((problem) => `egress.${problem}`);

/** How long something is tried. */
export interface Patience {
  attempts: number;
  longestDelaySeconds: number;
}

const MESSAGES: Patience = { attempts: MAX_ATTEMPTS, longestDelaySeconds: 3_600 };

/** What came of sending a message: an answer, or the egress error's code. */
export type Attempt =
  | { status: number; headers: Record<string, string>; body: string }
  | { failed: string };

/** What becomes of the message, as `finish_outbox` takes it. */
export type Delivery =
  | { outcome: "delivered" }
  | { outcome: "retry"; error: string; retry_after_seconds: number }
  | { outcome: "dead"; error: string };

/**
 * Decides what becomes of a message after an attempt to send it. A refusal (3xx, 4xx) is final; 408, 425, 429, 5xx, a lost
 * connection and a 2xx that does not say that the message was taken are tried again, at the time that the receiver asks
 * for, else after 10 s doubled each time, and given up when patience ends.
 *
 * @param accepts whether the body of a 2xx says that the message was taken
 * @param earlierAttempts how often this message was sent before
 * @param now the instant that a Retry-After date is relative to
 * @param patience 10 attempts, up to an hour apart, unless given
 */
export function judgeDelivery(
  attempt: Attempt,
  accepts: (body: string) => boolean,
  earlierAttempts: number,
  now: Date,
  patience = MESSAGES,
): Delivery {
  const taken = "status" in attempt && isSuccess(attempt.status) && accepts(attempt.body);
  if (taken) return { outcome: "delivered" };
  const error = describe(attempt);
  if (isFinal(attempt) || earlierAttempts + 1 >= patience.attempts) return { outcome: "dead", error };
  const asked = askedPause(attempt, now);
  return { outcome: "retry", error, retry_after_seconds: asked ?? backoffSeconds(earlierAttempts, patience) };
}

/** The seconds after which the receiver wants to be asked again, or null when it does not say. */
export function askedPause(attempt: Attempt, now: Date): number | null {
  if (!("status" in attempt) || isSuccess(attempt.status)) return null;
  return parseRetryAfter({ headers: attempt.headers, now, limited: attempt.status === 429 });
}

/** The pause after a failed attempt: 10 s, doubled each time up to the longest, which is an hour unless given. */
export function backoffSeconds(earlierAttempts: number, { longestDelaySeconds } = MESSAGES): number {
  return Math.min(FIRST_DELAY_SECONDS * 2 ** earlierAttempts, longestDelaySeconds);
}

/** Whether the receiver's answer is a 2xx. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/** Whether sending again cannot change what came of an attempt that did not succeed. */
export function isFinal(attempt: Attempt): boolean {
  if ("failed" in attempt) return FINAL_EGRESS_CODES.includes(attempt.failed);
  const { status } = attempt;
  return status >= 300 && status < 500 && ![408, 425, 429].includes(status);
}

/** Never quotes the URL, which is a secret; Slack's short texts (`invalid_blocks`) tell what is wrong. */
function describe(attempt: Attempt): string {
  if ("failed" in attempt) return attempt.failed;
  const body = redactText(attempt.body.slice(0, 1_000)).trim().slice(0, 200);
  return body ? `HTTP ${attempt.status}: ${body}` : `HTTP ${attempt.status}`;
}
