import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { parseRetryAfter, retryAfterFromBody, retryAfterFromHeaders } from "./retry-after.ts";

const now = "2026-03-01T12:00:00Z";
const epochSeconds = Date.parse(now) / 1000;

function fromHeaders(headers: Record<string, string>, limited?: boolean): number | null {
  return parseRetryAfter({ headers, now, ...(limited === undefined ? {} : { limited }) });
}

function expectAll(cases: [Record<string, string>, number | null][]): void {
  const got = cases.map(([headers]) => [headers, fromHeaders(headers)]);
  deepStrictEqual(got, cases);
}

Deno.test("Retry-After is read as seconds and as any of the three HTTP dates", () => {
  expectAll([
    [{ "Retry-After": "7" }, 7],
    [{ "retry-after": "0" }, 0],
    [{ "RETRY-AFTER": "2.5" }, 2.5],
    [{ "Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT" }, 30],
    [{ "Retry-After": "Sunday, 01-Mar-26 12:01:00 GMT" }, 60],
    [{ "Retry-After": "Sun Mar  1 12:02:00 2026" }, 120],
    [{ "Retry-After": "5, 9" }, 9],
    [{ "Retry-After": String(epochSeconds + 40) }, 40],
  ]);
});

Deno.test("milliseconds are read from the headers that say so", () => {
  expectAll([
    [{ "retry-after-ms": "1500" }, 1.5],
    [{ "x-ms-retry-after-ms": "250" }, 0.25],
  ]);
});

Deno.test("a reset is read as an instant, a number of seconds, a duration or a date", () => {
  expectAll([
    [{ "X-RateLimit-Reset": String(epochSeconds + 30) }, 30],
    [{ "X-RateLimit-Reset": String((epochSeconds + 30) * 1000) }, 30],
    [{ "X-RateLimit-Reset": "45" }, 45],
    [{ "X-RateLimit-Reset": "2026-03-01T12:00:20Z" }, 20],
    [{ "X-Rate-Limit-Reset": String(epochSeconds + 12) }, 12],
    [{ "X-RateLimit-Reset-After": "1.25" }, 1.25],
    [{ "x-ratelimit-reset-requests": "6m0s" }, 360],
    [{ "x-ratelimit-reset-tokens": "20ms" }, 0.02],
    [{ "anthropic-ratelimit-tokens-reset": "2026-03-01T12:00:09Z" }, 9],
    [{ "RateLimit-Reset": "17" }, 17],
    [{ "RateLimit": '"default";r=0;t=30' }, 30],
    [{ "RateLimit": '"burst";r=0;t=5, "daily";r=900;t=3600' }, 5],
    [{ "RateLimit": "limit=10, remaining=0, reset=12" }, 12],
  ]);
});

Deno.test("of several waits the longest wins, whoever says it", () => {
  strictEqual(
    fromHeaders({
      "Retry-After": "5",
      "X-RateLimit-Remaining": "0",
      "X-RateLimit-Reset": String(epochSeconds + 60),
    }),
    60,
  );
  strictEqual(parseRetryAfter({ headers: { "Retry-After": "5" }, body: { retry_after: 9.5 }, now }), 9.5);
  fc.assert(fc.property(fc.nat(80_000), fc.nat(80_000), fc.nat(80_000), (header, body, text) => {
    const message = `Please try again in ${text} seconds`;
    const got = parseRetryAfter({
      headers: { "Retry-After": `${header}` },
      body: { retryAfter: body },
      message,
      now,
    });
    strictEqual(got, Math.max(header, body, text));
  }));
});

Deno.test("of several limits the one that is used up says how long to wait", () => {
  strictEqual(
    fromHeaders({
      "x-rate-limit-remaining": "1079997",
      "x-rate-limit-reset": String(epochSeconds + 880),
      "x-app-limit-24hour-remaining": "0",
      "x-app-limit-24hour-reset": String(epochSeconds + 41_220),
    }),
    41_220,
  );
});

Deno.test("a limit that is not used up does not make anybody wait longer than Retry-After", () => {
  const reset = String(epochSeconds + 3000);
  strictEqual(
    fromHeaders({ "Retry-After": "60", "X-RateLimit-Remaining": "4990", "X-RateLimit-Reset": reset }),
    60,
  );
  strictEqual(
    fromHeaders({
      "x-ratelimit-remaining-requests": "59",
      "x-ratelimit-reset-requests": "10m0s",
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "8s",
    }),
    8,
  );
});

Deno.test("reset headers say nothing about a failure that is no rate limit", () => {
  strictEqual(
    fromHeaders({ "X-RateLimit-Remaining": "4990", "X-RateLimit-Reset": String(epochSeconds + 3000) }, false),
    null,
  );
  strictEqual(fromHeaders({ "Retry-After": "120" }, false), 120);
});

Deno.test("waits in bodies and texts are found where providers put them", () => {
  const said = (body: unknown, message = "") => retryAfterFromBody({ body, message, now });
  strictEqual(said({ message: "You are being rate limited.", retry_after: 0.65, global: false }), 0.65);
  strictEqual(said({ ok: false, parameters: { retry_after: 35 } }), 35);
  strictEqual(said({ error: { details: [{ "@type": "RetryInfo", retryDelay: "13s" }] } }), 13);
  strictEqual(said({ errcode: "M_LIMIT_EXCEEDED", retry_after_ms: 2000 }), 2);
  strictEqual(said('{"error":{"retry_after":4}}'), 4);
  strictEqual(said(null, "Limit 30000, Used 29000. Please try again in 7.66s."), 7.66);
  strictEqual(said(null, "Please try again in 1m12s."), 72);
  strictEqual(said(null, "Request was throttled. Expected available in 27 seconds."), 27);
  strictEqual(said(null, "Too Many Requests: retry after 35"), 35);
  strictEqual(said(null, "please try again after '10' seconds"), 10);
  strictEqual(said(null, "Take a break for 8 minutes before trying again."), 480);
  strictEqual(said(null, "Retry after 2026-03-01T12:05:00.000Z"), 300);
  strictEqual(said({ error: { type: "usage_limit_reached", resets_at: epochSeconds + 40 } }), 40);
  strictEqual(said({ reset_in: "20" }), 20);
});

Deno.test("a wait in a sentence is read with its unit, its parts, its clock or its date", () => {
  const said = (message: string) => retryAfterFromBody({ message, now });
  strictEqual(said("retry after 250 ms"), 0.25);
  strictEqual(said("please wait 250ms"), 0.25);
  strictEqual(said("Your rate limit resets in ~30s."), 30);
  strictEqual(said("Try again in approximately 5 seconds"), 5);
  strictEqual(said("Try again in 1 minute and 30 seconds."), 90);
  strictEqual(said("Retry in 2 hours, 5 minutes"), 7500);
  strictEqual(said("Quota will be replenished in 12:44:39."), 45_879);
  strictEqual(said("Next request allowed in 60 seconds"), 60);
  strictEqual(said("Limit resets at 2026-03-01 12:10:00 UTC"), 600);
  strictEqual(said("Blocked until 2026-03-01T13:10:00+01:00"), 600);
  strictEqual(said("try again after Sun, 01 Mar 2026 13:00:00 UTC"), 3600);
});

Deno.test("numbers that are no waits are left alone", () => {
  for (
    const message of [
      "The service is unavailable (response timeout >60 seconds).",
      "The OAuth token used to make this call expired 7 second(s) ago.",
      "Please wait a few minutes before you try again.",
      "Request aborted due to timeout being reached (80000ms)",
      "Too many requests: retry after 3 failed attempts was refused",
      "Lock wait timeout of 50 seconds exceeded",
      "The server is not available at 10.0.0.1",
    ]
  ) strictEqual(parseRetryAfter({ message, now }), null, message);
});

Deno.test("header and body waits can be told apart", () => {
  const response = { headers: { "Retry-After": "65" }, body: { retry_after: 64.57 }, now };
  strictEqual(retryAfterFromHeaders(response), 65);
  strictEqual(retryAfterFromBody(response), 64.57);
});

Deno.test("rubbish falls back to nothing and absurd waits are cut to a day", () => {
  expectAll([
    [{ "Retry-After": "" }, null],
    [{ "Retry-After": "-5" }, null],
    [{ "Retry-After": "soon" }, null],
    [{ "Retry-After": "NaN" }, null],
    [{ "Retry-After": "1e9" }, null],
    [{ "Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT" }, null],
    [{ "X-RateLimit-Reset": "1" + "0".repeat(40) }, 86_400],
    [{ "Retry-After": "99999999999999999999" }, 86_400],
    [{ "Retry-After": "Fri, 01 Mar 2030 12:00:00 GMT" }, 86_400],
  ]);
});

Deno.test("an instant that has just passed means now", () => {
  strictEqual(fromHeaders({ "Retry-After": "Sun, 01 Mar 2026 11:59:00 GMT" }), 0);
});

Deno.test("without a clock the Date header tells what an instant is relative to", () => {
  const headers = { "Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT" };
  strictEqual(parseRetryAfter({ headers }), null);
  strictEqual(parseRetryAfter({ headers: { ...headers, Date: "Sun, 01 Mar 2026 12:00:00 GMT" } }), 30);
});

Deno.test("whatever a server sends, the wait is null or between 0 and 86,400 seconds", () => {
  const name = fc.constantFrom(
    "Retry-After",
    "retry-after-ms",
    "X-RateLimit-Reset",
    "RateLimit",
    "RateLimit-Reset",
    "Date",
  );
  const value = fc.oneof(
    fc.string(),
    fc.double().map(String),
    fc.integer().map(String),
    fc.date({ noInvalidDate: true }).map((d) => d.toUTCString()),
  );
  fc.assert(fc.property(fc.dictionary(name, value), fc.anything(), fc.string(), (headers, body, message) => {
    const wait = parseRetryAfter({ headers, body, message, now });
    strictEqual(wait === null || (wait >= 0 && wait <= 86_400), true, String(wait));
  }));
});
