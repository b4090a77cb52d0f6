import { createBatcher } from "../adapters/batcher.ts";
import { isRefusedInput } from "../adapters/database.ts";
import type { StoredRequest } from "../core/recovery/stored-request.ts";
import { redactHeaders, redactText, redactValue } from "../core/redaction/redact.ts";
import type { Background, Database, Egress, Logger } from "../ports.ts";

/** Self-healing answers within 12 s; what takes longer has arrived all the same. */
const REPORT_TIMEOUT_MS = 15_000;
const MAX_CODE = 200;
const MAX_TEXT = 2_000;
const MAX_BODY = 8_000;
/** Larger reports are refused. */
const MAX_REPORT_BYTES = 64 * 1024;
const MAX_BATCH = 100;

/** What a report can do without, in this order: a failure that is told in part is better than one that gets lost. */
const DISPENSABLE = ["payload", "response_body", "response_headers", "request"];

/** `Retry-After`, `RateLimit-*` and their relatives. */
const WAIT_HEADER = /retry-after|limit|^x-reset$/i;

/** A call of an integration that succeeded. */
export interface Success {
  service_name: string;
  user_id?: string | null;
  /** What was done, for example `alert.sent`. */
  event_type: string;
  http_status?: number;
  payload?: Record<string, unknown>;
}

/** A call of an integration that failed, or was held back. */
export interface FailedCall extends Omit<Success, "http_status"> {
  /** Null when no answer came. */
  http_status: number | null;
  error_code: string | null;
  error_message: string;
  endpoint?: string;
  /** The request in its repeatable, secret-free form; null when it has none. */
  request?: StoredRequest | null;
  response?: { headers: Record<string, string>; body: string };
}

/** Keeps account of an integration's calls in `integration_events` and tells self-healing of failures. */
export interface Journal {
  /** Stores a success in the background. */
  succeeded(call: Success): void;
  /**
   * Stores a failure and reports it in the background.
   *
   * @returns the event's id. Never rejects: a failure that cannot be stored or reported is logged, because the caller
   *   has a failure to deal with already.
   */
  failed(call: FailedCall): Promise<string>;
}

export interface JournalOptions {
  database: Database;
  /** May reach the project itself. */
  egress: Egress;
  background: Background;
  logger: Logger;
  projectUrl: string;
  internalToken: string;
}

/** Events that are recorded at the same time share a round trip. */
export function createJournal({ database, logger, background, ...way }: JournalOptions): Journal {
  const record = createBatcher(
    (events: object[]) => database.rpc<string[]>("record_integration_events", { p_events: events }),
    { maxBatch: MAX_BATCH, isRefusedInput },
  );
  return {
    succeeded(call) {
      background(record({ ...call, payload: redactValue(call.payload ?? null), status: "success" }));
    },
    async failed({ response, endpoint, ...call }) {
      const id = crypto.randomUUID();
      const event = {
        ...call,
        id,
        status: "error",
        error_code: call.error_code && redactText(call.error_code).slice(0, MAX_CODE),
        error_message: redactText(call.error_message).slice(0, MAX_TEXT),
        payload: redactValue(withWait(call.payload, response)) as FailedCall["payload"] ?? null,
      };
      let recorded = true;
      try {
        await record(event);
      } catch (error) {
        recorded = false;
        logger.error("integration.not_recorded", { event_id: id, service_name: call.service_name, error });
      }
      const report = toReport(event, endpoint, response, recorded);
      background(
        send(way, report).catch((error) =>
          // The scan finds the row that was recorded.
          logger.error("integration.not_reported", { event_id: id, service_name: call.service_name, error })
        ),
      );
      return id;
    },
  };
}

/** The details with the headers that the scan must know when the report is lost: how long the provider asked to wait. */
function withWait(payload: FailedCall["payload"], response: FailedCall["response"]): FailedCall["payload"] {
  const asked = Object.entries(response?.headers ?? {}).filter(([name]) => WAIT_HEADER.test(name));
  return asked.length === 0 ? payload : { ...payload, response_headers: Object.fromEntries(asked) };
}

/** The request of `integration-self-heal` in webhook mode. */
function toReport(
  event: Omit<FailedCall, "payload"> & { id: string; payload: FailedCall["payload"] | null },
  endpoint: string | undefined,
  response: FailedCall["response"],
  recorded: boolean,
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
    // A recorded row holds them already.
    ...(!recorded && { payload: event.payload ?? undefined, request: event.request ?? undefined }),
    response_headers: response && redactHeaders(response.headers),
    response_body: response && redactText(response.body).slice(0, MAX_BODY),
  };
  for (const name of DISPENSABLE) {
    const text = JSON.stringify(report);
    if (new TextEncoder().encode(text).length <= MAX_REPORT_BYTES) return text;
    delete report[name];
  }
  return JSON.stringify(report);
}

async function send(
  { egress, projectUrl, internalToken }: Pick<JournalOptions, "egress" | "projectUrl" | "internalToken">,
  report: string,
): Promise<void> {
  const { status } = await egress.send({
    url: `${projectUrl}/functions/v1/integration-self-heal`,
    method: "POST",
    headers: { "content-type": "application/json", "x-internal-token": internalToken },
    body: report,
    timeoutMs: REPORT_TIMEOUT_MS,
  });
  if (status >= 300) throw new Error(`integration-self-heal answered with HTTP ${status}`);
}
