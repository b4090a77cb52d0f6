/** Longest wait that is believed, in seconds (24 h). A provider that asks for more is asked again then. */
export const LONGEST_WAIT_SECONDS = 86_400;

/**
 * Retry-After (RFC 9110, section 10.2.3) and what is sent in its place: seconds, a duration ("6m0s"), an instant, or
 * several of them joined by commas, as repeated headers arrive.
 * @param now milliseconds since 1970 that instants are relative to; null: instants say nothing
 * @returns seconds, or null for rubbish
 */
export function retryAfterValue(value: string, now: number | null): number | null {
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
export function resetValue(value: string, now: number | null): number | null {
  const text = value.trim();
  if (!/^\d+(?:\.\d+)?$/.test(text)) return duration(text) ?? untilInstant(instant(text), now);
  const number = Number(text);
  if (number < 1e8) return number;
  return untilInstant(number < 1e11 ? number * 1000 : number, now);
}

/** A number of milliseconds, or a duration with its unit, in seconds. */
export function milliseconds(value: string): number | null {
  return /^\d+(?:\.\d+)?$/.test(value.trim()) ? Number(value) / 1000 : duration(value.trim());
}

const UNIT = "(?:milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])";
const AMOUNT = `\\d{1,12}(?:\\.\\d{1,9})?['")\\]]?[ -]?${UNIT}`;
const SPAN = `${AMOUNT}(?:,? ?(?:and )?${AMOUNT}){0,3}`;
const CLOCK = "\\d{1,4}:\\d\\d:\\d\\d(?![\\d:])";
const ZONE = "(?: ?(?:Z|UTC|GMT|[+-]\\d\\d:?\\d\\d))?";
const ISO_DATE = `\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d(?::\\d\\d(?:\\.\\d{1,9})?)?${ZONE}`;
const HTTP_DATE = `[A-Z][a-z]{2,8}, \\d\\d[ -][A-Z][a-z]{2}[ -]\\d{2,4} \\d\\d:\\d\\d:\\d\\d${ZONE}`;
const BARE_NUMBER = "\\d{1,13}(?:\\.\\d{1,9})?(?![\\w:/%-]|\\.\\d| [a-z])";
const WAIT_PHRASE = new RegExp(
  "\\b(?:try again|retry(?:ing)?|wait(?! time)|resets?|replenished|take a break|available|request this|banned|blocked|locked|next (?:request|call|attempt))" +
    "(?:(?: [a-z]{1,12}){0,3}?([ -](?:in|after|for|until|at)))?:?(?: about| approximately| at least)? ?['\"(\\[~]?" +
    `(?:(${ISO_DATE}|${HTTP_DATE}|${CLOCK}|${SPAN})|(${BARE_NUMBER}))`,
  "gi",
);

/** The longest wait that a sentence asks for ("try again in 1 minute and 30 seconds"), in seconds, or null. */
export function waitInText(text: string, now: number | null): number | null {
  const found: (number | null)[] = [];
  for (const [, preposition, value, bareNumber] of text.slice(0, 2000).matchAll(WAIT_PHRASE)) {
    if (value) found.push(duration(value) ?? untilInstant(instant(value), now));
    else if (bareNumber && preposition) found.push(resetValue(bareNumber, now));
  }
  return longest(found);
}

const UNIT_SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
const WHOLE_SPAN = new RegExp(`^${SPAN}$`, "i");
const WHOLE_CLOCK = new RegExp(`^${CLOCK}$`);
const PART_OF_SPAN = /(\d+(?:\.\d+)?)[^a-z\d]{0,2}(m(?:illi)?s|[smhd])/g;

/** "6m0s", "20ms", "1 hour, 5 minutes" or "12:44:39" (hours, minutes, seconds). */
function duration(text: string): number | null {
  if (WHOLE_CLOCK.test(text)) {
    return text.split(":").reduce((seconds, part) => seconds * 60 + Number(part), 0);
  }
  if (!WHOLE_SPAN.test(text)) return null;
  let seconds = 0;
  for (const [, amount, unit = ""] of text.toLowerCase().matchAll(PART_OF_SPAN)) {
    seconds += Number(amount) * (UNIT_SECONDS[unit.replace("illi", "")] ?? 0);
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
export function instant(value: unknown): number | null {
  if (value instanceof Date) return Number.isFinite(value.getTime()) ? value.getTime() : null;
  if (typeof value !== "string" || value.length > 64) return null;
  const iso = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(value);
  if (!iso && !/^[A-Za-z]{3,9},? ?.{0,20}\d\d:\d\d:\d\d/.test(value)) return null;
  const zoned = /(?:Z|GMT|UTC|[+-]\d\d:?\d\d)$/i.test(value.trim());
  const time = Date.parse(zoned ? value : value + (iso ? "Z" : " GMT"));
  return Number.isFinite(time) ? time : null;
}

/** The longest of several waits, cut to a day and rounded to milliseconds; null when none is one. */
export function longest(waits: (number | null)[]): number | null {
  let best: number | null = null;
  for (const wait of waits) {
    if (wait !== null && wait >= 0 && (best === null || wait > best)) best = wait;
  }
  return best === null ? null : Math.round(Math.min(best, LONGEST_WAIT_SECONDS) * 1000) / 1000;
}
