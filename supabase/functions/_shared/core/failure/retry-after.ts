import { readHeaders } from "./headers.ts";
import { jsonInText } from "./json-in-text.ts";

/** Longest wait that is believed, in seconds (24 h). A provider that asks for more is asked again then. */
export const LONGEST_WAIT_SECONDS = 86_400;

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
    if (typeof node === "string") found.push(fromText(node, now));
    if (typeof node !== "object" || node === null) continue;
    for (const [key, value] of Object.entries(node).slice(0, 50)) {
      const field = key.toLowerCase().replace(/[_-]/g, "");
      const said = typeof value === "string" || typeof value === "number";
      if (said && BODY_MILLISECONDS.has(field)) found.push(milliseconds(String(value)));
      else if (said && BODY_SECONDS.has(field)) found.push(retryAfterValue(String(value), now));
      else queue.push(value);
    }
  }
  return longest(found);
}

function document(value: unknown): unknown {
  return typeof value === "string" ? jsonInText(value.slice(0, 65_536)) ?? value : value;
}

const RESET_HEADER = /rate-?limit.*-reset|^x-reset$/;
const RESET_WORD = /reset(?:-?(?:after|time|at))?/;
const BODY_SECONDS = new Set(
  "retryafter retryafterseconds retryaftersecs retrydelay estimatedtime".split(" "),
);
const BODY_MILLISECONDS = new Set("retryafterms retryaftermilliseconds retrydelayms".split(" "));
const UNIT_SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
const DURATION_PART = /(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h|d)/g;
const DURATION = /^(?:\d{1,12}(?:\.\d{1,9})?(?:ms|s|m|h|d)){1,5}$/;
const WAIT_PHRASE =
  /\b(?:try again|retry(?:ing)?|wait|resets?|break|available|request this|banned)\b(?: [a-z]{1,12}){0,3}?:?( (?:in|after|for|until|at))?(?: about| at least)? ?['"(]?(\d[\d.:\-TZhms]{0,30})['")]? ?(milliseconds?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?)?/gi;

function fromText(text: unknown, now: number | null): number | null {
  if (typeof text !== "string") return null;
  const found: (number | null)[] = [];
  for (const [, preposition, amount = "", unit] of text.slice(0, 2000).matchAll(WAIT_PHRASE)) {
    const number = amount.replace(/[.:-]+$/, "");
    if (unit) found.push(retryAfterValue(number + shortUnit(unit), now));
    else if (preposition) found.push(resetValue(number, now));
  }
  return longest(found);
}

function shortUnit(unit: string): string {
  return unit.toLowerCase().startsWith("milli") ? "ms" : unit.charAt(0).toLowerCase();
}

/** Seconds, a duration, a date, or several of them joined by commas (how repeated headers arrive). */
function retryAfterValue(value: string, now: number | null): number | null {
  const text = value.trim();
  if (/^\d+(?:\.\d+)?$/.test(text)) {
    const seconds = Number(text);
    const untilEpoch = now === null ? Infinity : Math.abs(seconds - now / 1000);
    return untilEpoch <= LONGEST_WAIT_SECONDS ? untilInstant(seconds * 1000, now) : seconds;
  }
  if (/^[\d.]+(?:\s*,\s*[\d.]+)+$/.test(text)) {
    return longest(text.split(",").map((part) => retryAfterValue(part, now)));
  }
  return duration(text) ?? untilInstant(instant(text), now);
}

/** A reset says either how many seconds are left or when: the size of the number tells (1e8 s are three years). */
function resetValue(value: string, now: number | null): number | null {
  const text = value.trim();
  if (!/^\d+(?:\.\d+)?$/.test(text)) return duration(text) ?? untilInstant(instant(text), now);
  const number = Number(text);
  if (number < 1e8) return number;
  return untilInstant(number < 1e11 ? number * 1000 : number, now);
}

function milliseconds(value: string): number | null {
  return /^\d+(?:\.\d+)?$/.test(value.trim()) ? Number(value) / 1000 : duration(value.trim());
}

function duration(text: string): number | null {
  if (!DURATION.test(text)) return null;
  let seconds = 0;
  for (const [, amount, unit = ""] of text.matchAll(DURATION_PART)) {
    seconds += Number(amount) * (UNIT_SECONDS[unit] ?? 0);
  }
  return seconds;
}

/** A moment that has just passed means "now"; one more than a day ago is a stale or broken clock and says nothing. */
function untilInstant(then: number | null, now: number | null): number | null {
  if (then === null || now === null) return null;
  const seconds = (then - now) / 1000;
  if (seconds < -LONGEST_WAIT_SECONDS) return null;
  return Math.max(0, seconds);
}

/** Milliseconds since 1970 of a Date, an ISO 8601 date or any of the three HTTP date forms (always UTC), or null. */
function instant(value: unknown): number | null {
  if (value instanceof Date) return Number.isFinite(value.getTime()) ? value.getTime() : null;
  if (typeof value !== "string" || value.length > 64) return null;
  const iso = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(value);
  if (!iso && !/^[A-Za-z]{3,9},? ?.{0,20}\d\d:\d\d:\d\d/.test(value)) return null;
  const zoned = /(?:Z|GMT|UTC|[+-]\d\d:?\d\d)$/i.test(value.trim());
  const time = Date.parse(zoned ? value : value + (iso ? "Z" : " GMT"));
  return Number.isFinite(time) ? time : null;
}

/** Members of a RateLimit field: `"default";r=0;t=30` (current draft) or `limit=10, remaining=0, reset=12` (older). */
function rateLimitMembers(value: string): { remaining: number; reset: string }[] {
  const members = /\breset=/.test(value) ? [value] : value.split(",");
  return members.slice(0, 20).flatMap((member) => {
    const reset = /\b(?:t|reset)=(\d+)/.exec(member)?.[1];
    const remaining = /\b(?:r|remaining)=(\d+)/.exec(member)?.[1];
    return reset === undefined ? [] : [{ remaining: Number(remaining ?? NaN), reset }];
  });
}

function longest(waits: (number | null)[]): number | null {
  let best: number | null = null;
  for (const wait of waits) {
    if (wait !== null && wait >= 0 && (best === null || wait > best)) best = wait;
  }
  return best === null ? null : Math.round(Math.min(best, LONGEST_WAIT_SECONDS) * 1000) / 1000;
}
