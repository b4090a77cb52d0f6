import { createBatcher } from "../adapters/batcher.ts";
import { isRefusedInput } from "../adapters/database.ts";
import type { StoredRequest } from "../core/recovery/stored-request.ts";
import { redactText, redactValue } from "../core/redaction/redact.ts";
import type { Background, Clock, Database, Logger } from "../ports.ts";
import { composeReport, MAX_SEEN, MAX_TEXT, sendReport, type WayToSelfHeal } from "./report.ts";

/** How long a caller waits for its failure to be recorded; recording and reporting go on behind its answer. */
const RECORD_PATIENCE_MS = 5_000;
const MAX_CODE = 200;
const MAX_BATCH = 100;

/** `Retry-After`, `RateLimit-*` and their relatives. */
const WAIT_HEADER = /retry-after|limit|^x-reset$/i;

/** A call of an integration that succeeded. */
export interface Success {
  service_name: string;
  user_id?: string | null;
  /** What was done, for example `alert.sent`. */
  event_type: string;
  http_status?: number;
  /** How long the exchange with the provider took; null when there was none. */
  duration_ms?: number | null;
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
   * Stores a failure, for at most 5 s of the caller's time, and reports it in the background.
   *
   * @returns the event's id. Never rejects: a failure that cannot be stored or reported is logged, because the caller
   *   has a failure to deal with already.
   */
  failed(call: FailedCall): Promise<string>;
}

export interface JournalOptions extends WayToSelfHeal {
  database: Database;
  clock: Clock;
  background: Background;
  logger: Logger;
}

/** Events that are recorded at the same time share a round trip. */
export function createJournal({ database, clock, logger, background, ...way }: JournalOptions): Journal {
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
        error_message: redactText(call.error_message.slice(0, MAX_SEEN)).slice(0, MAX_TEXT),
        payload: redactValue(withWait(call.payload, response)) as FailedCall["payload"] ?? null,
      };
      const names = { event_id: id, service_name: call.service_name };
      const recording = record(event).then(() => true, (error) => {
        logger.error("integration.not_recorded", { ...names, error });
        return false;
      });
      background(recording.then(async (recorded) => {
        try {
          await sendReport(way, composeReport(event, { endpoint, response, recorded }));
        } catch (error) {
          // The scan finds the row that was recorded.
          logger.error("integration.not_reported", { ...names, error });
        }
      }));
      await atMost(RECORD_PATIENCE_MS, recording, clock);
      return id;
    },
  };
}

/** Resolves with the work, which never rejects, or when the time is over. */
async function atMost(milliseconds: number, work: Promise<unknown>, clock: Clock): Promise<void> {
  const done = new AbortController();
  await Promise.race([work, clock.sleep(milliseconds, done.signal).catch(() => {})]);
  done.abort();
}

/** The details with the headers that the scan must know when the report is lost: how long the provider asked to wait. */
function withWait(payload: FailedCall["payload"], response: FailedCall["response"]): FailedCall["payload"] {
  const asked = Object.entries(response?.headers ?? {}).filter(([name]) => WAIT_HEADER.test(name));
  return asked.length === 0 ? payload : { ...payload, response_headers: Object.fromEntries(asked) };
}
