import { extractClues } from "../core/failure/extract.ts";
import { redactText } from "../core/redaction/redact.ts";
import type { StoredRequest } from "../core/recovery/stored-request.ts";
import type { EgressResponse } from "../ports.ts";

/** An outbound call. */
export interface Call {
  /** What is done, for example `alert`; recorded as `alert.sent`, `alert.failed` or `alert.held`. */
  event_type: string;
  /** On whose behalf; without it, the project's own grant is used. */
  user_id?: string;
  request: {
    method: string;
    /** Empty when the URL itself is a secret: then `url_secret` names the setting that holds it. */
    url: string;
    url_secret?: string;
    headers?: Record<string, string>;
    body?: string;
    /** By which the provider recognises a repetition; a new one for each call unless given. */
    idempotency_key?: string;
    /** `bearer`: the grant's access token goes into `Authorization`, and only to the integration's allowed hosts. */
    auth?: "bearer";
  };
  /** Details for people, recorded without secrets. */
  payload?: Record<string, unknown>;
  /**
   * The incoming request's `X-Self-Heal-Attempt`. With it the call is part of a recovery under way, which accounts for
   * it: it is neither held back nor recorded nor reported.
   */
  attempt?: string | null;
  /** Limit of the exchange with the provider in milliseconds; 10,000 unless given. */
  timeoutMs?: number;
}

/** What came of a call. */
export type CallResult =
  | ({ outcome: "success" } & EgressResponse)
  /** Recorded and reported (not within a recovery: `event_id` is null). `response` is absent when no answer came. */
  | {
    outcome: "failed";
    event_id: string | null;
    code: string | null;
    message: string;
    response?: EgressResponse;
  }
  /**
   * Not sent: the integration is disabled, its circuit breaker open, or the platform in safe mode. Sent later, unless it
   * is not `kept`: a request that holds a secret, or is too large, is not stored.
   */
  | {
    outcome: "held";
    event_id: string;
    reason: "disabled" | "circuit_open" | "safe_mode";
    retry_at: string | null;
    kept: boolean;
  };

/** Why a call failed, as it is recorded. */
export interface CallFailure {
  http_status: number | null;
  error_code: string | null;
  error_message: string;
}

/** Reads the provider's code and text out of an answer that is no success, without secrets that they quote. */
export function describeFailure({ status, body }: EgressResponse): CallFailure {
  const { codes, messages } = extractClues({ http_status: status, body });
  const code = codes[0] === undefined ? null : redactText(codes[0]);
  const text = redactText(messages[0] ?? code ?? "");
  return {
    http_status: status,
    error_code: code,
    // Gateways' pages begin with the status themselves.
    error_message: text.startsWith(`${status}`)
      ? `HTTP ${text}`
      : `HTTP ${status}: ${text}`.replace(/: $/, ""),
  };
}

/** Where a request goes, for people: without its query, and only the setting's name of a secret URL. */
export function endpointOf({ url, url_secret }: StoredRequest): string {
  return redactText(url_secret ?? url.replace(/[?#].*$/s, ""));
}
