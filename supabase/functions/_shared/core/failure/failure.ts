/** What the failed call left behind. Everything is optional: the less is known, the less certain the answer. */
export interface Failure {
  service_name?: string | null;
  /** The provider's name where it is known apart from the service's ("stripe" for a service "billing"). */
  provider?: string | null;
  /** Null or 0 when no response arrived. */
  http_status?: number | null;
  error_code?: string | number | null;
  error_message?: string | null;
  /** Response headers, names in any case. */
  headers?: Record<string, unknown> | null;
  /** Response body: parsed JSON, or text (JSON, HTML, XML, form encoded, plain). */
  body?: unknown;
  /** What was sent. No evidence: it says what the caller wanted, not what went wrong. */
  payload?: unknown;
  endpoint?: string | null;
  retry_count?: number;
  /** The instant that dates in headers and texts are relative to. */
  now?: Date | string | null;
}

export type Category = "auth" | "rate_limit" | "network" | "data" | "unknown";

/** Who must act: us (refresh, wait or retry mends it), the provider (its outage), you (the customer's team). */
export type Owner = "us" | "provider" | "you";

export interface Classification {
  category: Category;
  /** 0..1: how strong the deciding evidence is and how far the rest agrees with it. */
  confidence: number;
  /** What triggered this category, strongest first: "HTTP 401", the error code, the telling words of the text. */
  signals: string[];
  /** What to do, for people. */
  advice: string;
  owner: Owner;
  /** 0..86400, or null when nobody said how long to wait. */
  retry_after_seconds: number | null;
  /** For auth: would a fresh token plausibly mend it. Null: cannot be told, or no auth failure. */
  refreshable: boolean | null;
}

/**
 * The finest distinction that evidence can make; a category says what to do, a verdict also who must do it.
 * `auth.refresh` a fresh token mends it, `auth.final` no token can, `auth.unclear` try; `rate_limit.quota` waiting
 * alone may not help, a larger plan does; `network.outage` the provider's own trouble rather than the way to it.
 */
export type Verdict =
  | "auth.refresh"
  | "auth.final"
  | "auth.unclear"
  | "rate_limit"
  | "rate_limit.quota"
  | "network"
  | "network.outage"
  | "data"
  | "unknown";
