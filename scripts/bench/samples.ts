/** Varied failures, the same ones in every run. */

/** A failure as an integration function reports it. */
export interface Sample {
  service_name: string;
  http_status: number;
  error_code?: string;
  error_message: string;
  response_headers?: Record<string, string>;
  response_body?: unknown;
}

type Template = (value: (below: number) => number) => Omit<Sample, "service_name">;

const templates: Template[] = [
  (n) => ({
    http_status: 429,
    error_message: `Rate limit reached for account acct_${n(1e6)}: ${n(500)} of 500 requests`,
    response_headers: { "Retry-After": String(20 + n(200)) },
  }),
  (n) => ({
    http_status: 503,
    error_code: "service_unavailable",
    error_message: `upstream connect error, request ${n(1e9).toString(16)} to 10.0.${n(255)}.${n(255)}:8443`,
  }),
  (n) => ({
    http_status: 0,
    error_code: "ECONNRESET",
    error_message: `read ECONNRESET after ${
      n(9000)
    } ms at TLSWrap.onStreamRead (node:internal/stream_base_commons:${n(300)}:20)`,
  }),
  (n) => ({
    http_status: 401,
    error_code: "invalid_token",
    error_message: `The access token expired at 2026-03-${10 + n(18)}T10:${10 + n(49)}:00Z`,
    response_body: { error: { code: "token_expired", user: n(1e6) } },
  }),
  (n) => ({
    http_status: 422,
    error_code: "validation_error",
    error_message: `Field items[${n(40)}].price must be a positive number, got -${n(100)}.${n(99)}`,
    response_body: { errors: [{ path: `items.${n(40)}.price`, message: "must be positive" }] },
  }),
  (n) => ({
    http_status: 200,
    error_message: "not ok",
    response_body: { ok: false, error: "channel_not_found", ts: n(1e9) },
  }),
  (n) => ({
    http_status: 502,
    error_message: `<html><head><title>502 Bad Gateway</title></head><body><center>nginx/1.2${n(9)}.${
      n(9)
    }</center></body></html>`,
  }),
  (n) => ({
    http_status: 418,
    error_message: `Worker ${n(64)} gave an answer that nobody expected: code ${n(1e5)}`,
  }),
];

/** @param service a name for the n-th sample's service */
export function samples(count: number, service = (index: number) => `service-${index % 100}`): Sample[] {
  const value = numbers();
  return Array.from({ length: count }, (_, index) => ({
    service_name: service(index),
    ...templates[index % templates.length]!(value),
  }));
}

/** A rate limit that ends in a while: recorded and scheduled, nothing is repeated at once. */
export function rateLimited(index: number): Sample {
  return {
    service_name: `service-${index % 100}`,
    http_status: 429,
    error_code: "rate_limit_exceeded",
    error_message: `Too many requests: ${index} of 500 a minute`,
    response_headers: { "Retry-After": "600" },
  };
}

/** Whole numbers from 0 on, always the same sequence (a linear congruential generator, Numerical Recipes). */
export function numbers(seed = 1): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}
