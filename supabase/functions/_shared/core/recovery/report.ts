import { classifyFailure } from "../failure/classify.ts";
import type { Classification } from "../failure/failure.ts";
import { fingerprint } from "../failure/fingerprint.ts";
import { redactText, redactValue } from "../redaction/redact.ts";
import { type Plan, planRecovery } from "./plan.ts";
import { storableRequest, type StoredRequest } from "./stored-request.ts";

/** A failure as it is reported, by an integration function or by the row it left behind. */
export interface FailureReport {
  event_id: string;
  service_name: string;
  user_id?: string | null;
  http_status?: number | null;
  error_code?: string | null;
  error_message: string;
  endpoint?: string | null;
  payload?: unknown;
  retry_count?: number;
  request?: StoredRequest | null;
  response_headers?: Record<string, unknown>;
  response_body?: unknown;
}

/** A report as the database takes it: redacted, classified, with a plan. */
export interface PreparedReport extends Omit<Classification, "retry_after_seconds"> {
  event_id: string;
  service_name: string;
  user_id: string | null;
  http_status: number | null;
  error_code: string | null;
  error_message: string;
  endpoint: string | null;
  payload: unknown;
  retry_count: number;
  request: StoredRequest | null;
  fingerprint: string;
  plan: Plan;
  /** The call was held back, by a circuit breaker or by safe mode: no failure of the provider. */
  hold?: boolean;
}

/** The code under which integrations report calls that were held back. */
const HELD_BACK = "circuit_open";

const HELD: Classification = {
  category: "network",
  confidence: 1,
  signals: [HELD_BACK],
  advice: "Sent when calls may pass again",
  owner: "us",
  retry_after_seconds: null,
  refreshable: null,
};

const MAX_MESSAGE = 4_000;
const MAX_CODE = 200;
/** What of a text is looked at: rows of a project's own may hold any length. */
const MAX_SEEN = 65_536;

/**
 * Turns a report into what is stored: secrets hidden (callers may have missed some), classified, grouped, planned. A
 * request that cannot be stored without secrets is not stored, and so not repeated.
 *
 * @param at.now the instant that dates in headers and texts are relative to
 * @param at.random uniform in [0, 1)
 */
export function prepareReport(report: FailureReport, at: { now: Date; random: number }): PreparedReport {
  const error_message = redactText(report.error_message.slice(0, MAX_SEEN)).slice(0, MAX_MESSAGE);
  const error_code = report.error_code ? redactText(report.error_code.slice(0, MAX_CODE)) : null;
  const hold = error_code === HELD_BACK;
  const { retry_after_seconds, ...classification } = hold ? HELD : classifyFailure({
    service_name: report.service_name,
    http_status: report.http_status,
    error_code,
    error_message,
    headers: redactValue(report.response_headers ?? {}) as Record<string, unknown>,
    body: redactValue(report.response_body),
    endpoint: report.endpoint,
    retry_count: report.retry_count,
    now: at.now,
  });
  return {
    event_id: report.event_id,
    service_name: report.service_name,
    user_id: report.user_id ?? null,
    http_status: report.http_status ?? null,
    error_code,
    error_message,
    endpoint: report.endpoint ? redactText(report.endpoint) : null,
    payload: redactValue(report.payload ?? null),
    retry_count: report.retry_count ?? 0,
    request: report.request ? storableRequest(report.request) : null,
    ...classification,
    fingerprint: fingerprint(error_message || error_code || `HTTP ${report.http_status ?? "none"}`),
    plan: planRecovery({ ...classification, retry_after_seconds }, at.random),
    ...(hold && { hold }),
  };
}
