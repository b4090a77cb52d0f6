import { ROUND_MS } from "../_shared/core/recovery/plan.ts";
import { type FailureReport, prepareReport } from "../_shared/core/recovery/report.ts";
import type { Clock, Random } from "../_shared/ports.ts";
import type { Explain } from "./explain.ts";
import type { HandleWork } from "./handle-work.ts";
import type { Recovery, RecoveryStore } from "./recovery-store.ts";

export interface ReportFailureOptions {
  store: RecoveryStore;
  handleWork: HandleWork;
  explain: Explain;
  clock: Clock;
  random: Random;
}

/** The answer to a reported failure, as the API states it. */
export interface RecoveryAnswer {
  success: true;
  recovery_id: string;
  category: string;
  action_taken: string;
  status: string;
  retry_scheduled: boolean;
  next_retry_at?: string;
}

/** A copy of a report waits for the first one's result this long, in milliseconds: a round and some more. */
const COPY_PATIENCE_MS = ROUND_MS + 2_000;
const COPY_POLL_MS = 250;

/**
 * Takes one failure report, recovers the failure when that can be done now, and answers with its state. Copies of a
 * report, however many and at the same time, cause one recovery and get the same answer.
 *
 * @throws {DatabaseError} when the report could not be stored; then its event, if it has a row, is found by the scan
 */
export function createReportFailure(options: ReportFailureOptions) {
  const { store, handleWork, clock, random } = options;
  return async (report: FailureReport & { useLLM?: boolean }): Promise<RecoveryAnswer> => {
    const prepared = prepareReport(report, { now: new Date(clock.now()), random: random() });
    const answer = await store.report(prepared);
    if (report.useLLM && (answer.state === "claimed" || answer.state === "recorded")) {
      options.explain(prepared, answer.recovery_id);
    }
    if (answer.state === "claimed" && answer.work) {
      const firstDelayMs = (prepared.plan.delay_seconds ?? 0) * 1_000;
      return toAnswer(await handleWork(answer.work, firstDelayMs, clock.now() + ROUND_MS));
    }
    return toAnswer(answer.state === "in_progress" ? await awaitResult(options, report.event_id) : answer);
  };
}

async function awaitResult({ store, clock }: ReportFailureOptions, eventId: string): Promise<Recovery> {
  const until = clock.now() + COPY_PATIENCE_MS;
  while (true) {
    const current = await store.get(eventId);
    if (!current.in_progress || clock.now() >= until) return current;
    await clock.sleep(COPY_POLL_MS);
  }
}

function toAnswer({ recovery_id, category, action_taken, status, next_retry_at }: Recovery): RecoveryAnswer {
  return {
    success: true,
    recovery_id,
    category,
    action_taken,
    status,
    retry_scheduled: next_retry_at !== null,
    ...(next_retry_at !== null && { next_retry_at }),
  };
}
