import { redactHeaders, redactText } from "../core/redaction/redact.ts";
import type { Egress } from "../ports.ts";
import type { FailedCall } from "./journal.ts";

/** Self-healing answers within 12 s; what takes longer has arrived all the same. */
const REPORT_TIMEOUT_MS = 15_000;
/** Larger reports are refused. */
const MAX_REPORT_BYTES = 64 * 1024;
const MAX_BODY = 8_000;
/** Longest text that is kept of an error, in UTF-16 units. */
export const MAX_TEXT = 2_000;
/** What of a text is looked at; redacting a megabyte takes half a second. */
export const MAX_SEEN = 65_536;

/** What a report can do without, in this order: a failure that is told in part is better than one that gets lost. */
const DISPENSABLE = ["payload", "response_body", "response_headers", "request"];

export interface WayToSelfHeal {
  /** May reach the project itself. */
  egress: Egress;
  projectUrl: string;
  internalToken: string;
}

/** A failed call as it was, or could not be, recorded: without secrets. */
export type FailedEvent = Omit<FailedCall, "payload" | "endpoint" | "response"> & {
  id: string;
  payload: FailedCall["payload"] | null;
};

/**
 * The body that reports a failed call to `integration-self-heal`, within the size that it accepts.
 *
 * @param of.recorded whether a row holds the event, its payload and its request
 */
export function composeReport(
  event: FailedEvent,
  { endpoint, response, recorded }: Pick<FailedCall, "endpoint" | "response"> & { recorded: boolean },
): string {
  const report: Record<string, unknown> = {
    mode: "webhook",
    event_id: event.id,
    service_name: event.service_name,
    user_id: event.user_id ?? undefined,
    http_status: event.http_status ?? undefined,
    error_code: event.error_code ?? undefined,
    error_message: event.error_message,
    endpoint: endpoint && redactText(endpoint).slice(0, MAX_TEXT),
    retry_count: 0,
    ...(!recorded && { payload: event.payload ?? undefined, request: event.request ?? undefined }),
    response_headers: response && redactHeaders(response.headers),
    response_body: response && redactText(response.body.slice(0, MAX_SEEN)).slice(0, MAX_BODY),
  };
  for (const name of DISPENSABLE) {
    const body = JSON.stringify(report);
    if (new TextEncoder().encode(body).length <= MAX_REPORT_BYTES) return body;
    delete report[name];
  }
  return JSON.stringify(report);
}

/** @throws {Error} when self-healing did not take the report */
export async function sendReport(
  { egress, projectUrl, internalToken }: WayToSelfHeal,
  body: string,
): Promise<void> {
  const { status } = await egress.send({
    url: `${projectUrl}/functions/v1/integration-self-heal`,
    method: "POST",
    headers: { "content-type": "application/json", "x-internal-token": internalToken },
    body,
    timeoutMs: REPORT_TIMEOUT_MS,
  });
  if (status >= 300) throw new Error(`integration-self-heal answered with HTTP ${status}`);
}
