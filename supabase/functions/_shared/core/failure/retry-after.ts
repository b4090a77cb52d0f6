import { readHeaders } from "./headers.ts";
import { jsonInText } from "./json-in-text.ts";
import { instant, longest, milliseconds, resetValue, retryAfterValue, waitInText } from "./wait-values.ts";

/** What a response says about waiting. */
export interface RetryAfterInput {
  /** Response headers, names in any case. */
  headers?: Record<string, unknown> | null | undefined;
  /** Parsed JSON body. */
  body?: unknown;
  /** The error's text. */
  message?: string | null | undefined;
  /** The instant that dates are relative to. Without it the `Date` header is used; without both, dates are ignored. */
  now?: Date | string | null | undefined;
  /** False when the failure is no rate limit: many providers send reset headers with every response. Default true. */
  limited?: boolean;
}

/**
 * Seconds to wait before the next attempt, from headers, body and text together; the longest wins.
 * @returns 0..86400 in millisecond steps, or null when nothing (or only rubbish) is said
 */
export function parseRetryAfter(input: RetryAfterInput): number | null {
  return longest([retryAfterFromHeaders(input), retryAfterFromBody(input)]);
}

/**
 * The part of {@link parseRetryAfter} that the response headers say: Retry-After (seconds or a date, RFC 9110 section
 * 10.2.3), its millisecond variants, and the reset headers of rate limits (`X-RateLimit-Reset*`, the IETF `RateLimit`
 * fields, `anthropic-ratelimit-*-reset`). A reset counts when its limit is used up; when no limit is reported as used
 * up and there is no Retry-After, every reset counts.
 */
export function retryAfterFromHeaders(input: RetryAfterInput): number | null {
  const headers = readHeaders(input.headers);
  const now = instant(input.now) ?? instant(headers.get("date"));
  const asked: (number | null)[] = [];
  const exhausted: (number | null)[] = [];
  const untold: (number | null)[] = [];
  for (const [name, value] of headers) {
    if (name.endsWith("retry-after-ms")) asked.push(milliseconds(value));
    else if (name.endsWith("retry-after")) asked.push(retryAfterValue(value, now));
    else if (input.limited === false) continue;
    else if (name === "ratelimit" || name === "x-ratelimit") {
      for (const { remaining, reset } of rateLimitMembers(value)) {
        (remaining === 0 ? exhausted : untold).push(resetValue(reset, now));
      }
    } else if (RESET_HEADER.test(name)) {
      const remaining = Number(headers.get(name.replace(RESET_WORD, "remaining")) ?? NaN);
      (remaining === 0 ? exhausted : untold).push(resetValue(value, now));
    }
  }
  return longest([...asked, ...exhausted]) ?? longest(untold);
}

/** The part of {@link parseRetryAfter} that the body's fields and the error's text say. */
export function retryAfterFromBody(input: RetryAfterInput): number | null {
  const now = instant(input.now) ?? instant(readHeaders(input.headers).get("date"));
  const found: (number | null)[] = [];
  const queue: unknown[] = [document(input.body), document(input.message)];
  for (let i = 0; i < queue.length && i < 200; i++) {
    const node = queue[i];
    if (typeof node === "string") found.push(waitInText(node, now));
    if (typeof node !== "object" || node === null) continue;
    for (const [key, value] of Object.entries(node).slice(0, 50)) {
      const field = key.toLowerCase().replace(/[_-]/g, "");
      const said = typeof value === "string" || typeof value === "number" ? String(value) : null;
      if (said !== null && BODY_MILLISECONDS.has(field)) found.push(milliseconds(said));
      else if (said !== null && BODY_SECONDS.has(field)) found.push(retryAfterValue(said, now));
      else if (said === null || !BODY_RESETS.has(field)) queue.push(value);
      else if (input.limited !== false) found.push(resetValue(said, now));
    }
  }
  return longest(found);
}

function document(value: unknown): unknown {
  return typeof value === "string" ? jsonInText(value.slice(0, 65_536)) ?? value : value;
}

const RESET_HEADER = /limit.*-reset|^x-reset$/;
const RESET_WORD = /reset(?:-?(?:after|time|at))?/;
const BODY_SECONDS = new Set(
  ("retryafter retryafterseconds retryaftersecs retryin retryinseconds retrydelay waitseconds" +
    " estimatedtime").split(" "),
);
const BODY_MILLISECONDS = new Set("retryafterms retryaftermilliseconds retrydelayms".split(" "));
const BODY_RESETS = new Set(
  ("reset resetat resetsat resettime resetin resetsin resetinseconds resetsinseconds resetafter" +
    " retryat").split(" "),
);

/** Members of a RateLimit field: `"default";r=0;t=30` (current draft) or `limit=10, remaining=0, reset=12` (older). */
function rateLimitMembers(value: string): { remaining: number; reset: string }[] {
  const members = /\breset=/.test(value) ? [value] : value.split(",");
  return members.slice(0, 20).flatMap((member) => {
    const reset = /\b(?:t|reset)=(\d+)/.exec(member)?.[1];
    const remaining = /\b(?:r|remaining)=(\d+)/.exec(member)?.[1];
    return reset === undefined ? [] : [{ remaining: Number(remaining ?? NaN), reset }];
  });
}
