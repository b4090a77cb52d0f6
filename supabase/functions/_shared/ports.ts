/**
 * What the decisions' callers need from the outside world. Adapters implement these, tests replace them.
 */

/** Tells the time of this process. Leases, windows and due times are the database clock's business, not this one's. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
  /** Resolves after `milliseconds`, or rejects at once when `signal` aborts. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

/** A uniform number in [0, 1). */
export type Random = () => number;

/** Calls a Postgres function by name. Throws `DatabaseError`. */
export interface Database {
  rpc<T>(name: string, args?: Record<string, unknown>): Promise<T>;
}

/** A Postgres function or the way to it failed; `code` is stable (the hint that SQL raised, or `database.*`). */
export class DatabaseError extends Error {
  override name = "DatabaseError";
  constructor(readonly code: string, message: string, readonly status: number) {
    super(message);
  }
}

/** One outbound HTTP request. */
export interface EgressRequest {
  url: string;
  method: string;
  headers?: Record<string, string>;
  body?: string;
  /** Total deadline in milliseconds, response body included. */
  timeoutMs: number;
  /** Larger responses fail with `egress.too_large`. */
  maxResponseBytes?: number;
  /** When given, the URL's host must be one of these exact host names. */
  allowedHosts?: string[];
}

/** Any answer of the server, whatever its status: redirects are answers too. */
export interface EgressResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** The request got no answer, or was refused before it was sent; `code` is `egress.*`. */
export class EgressError extends Error {
  override name = "EgressError";
  /** `sent` is false only when it is certain that no byte of the request left this process. */
  constructor(readonly code: string, message: string, readonly sent: boolean) {
    super(message);
  }
}

/** The one way out: time-bounded, size-bounded, guarded against requests into private networks. */
export interface Egress {
  send(request: EgressRequest): Promise<EgressResponse>;
}

/** Encrypts secrets at rest, bound to the row and column that hold them (`user_integrations/<id>/access_token`). */
export interface TokenVault {
  seal(row: string, plain: string): Promise<string>;
  open(row: string, sealed: string): Promise<string>;
  /** False when the value was sealed with an older key and should be sealed anew. */
  isSealedWithCurrentKey(sealed: string): boolean;
}

/** What a token endpoint answered to a refresh. `unknown`: no answer came, so the grant may have been rotated. */
export type RefreshOutcome =
  | { kind: "refreshed"; accessToken: string; refreshToken?: string; expiresInSeconds?: number }
  | { kind: "invalid_grant"; message: string }
  | { kind: "transient"; message: string; retryAfterSeconds?: number }
  | { kind: "unknown"; message: string };

/** Exchanges a refresh token. Never throws for an answer of the server. */
export interface TokenEndpoint {
  refresh(
    config: { tokenUrl: string; clientId: string; clientSecret?: string; scopes?: string[] },
    refreshToken: string,
    timeoutMs: number,
  ): Promise<RefreshOutcome>;
}

/** Asks a language model for an explanation; the text is stored for people and decides nothing. */
export interface Explainer {
  explain(prompt: { system: string; user: string }, timeoutMs: number): Promise<string>;
}

/** One JSON line per event, redacted. */
export interface Logger {
  info(event: string, fields?: Record<string, unknown>): void;
  warn(event: string, fields?: Record<string, unknown>): void;
  error(event: string, fields?: Record<string, unknown>): void;
}

/** Keeps `work` running after the response was sent, where the platform allows it; its failure is logged. */
export type Background = (work: Promise<unknown>) => void;
