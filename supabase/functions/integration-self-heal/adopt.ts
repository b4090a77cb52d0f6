import { isRefusedInput } from "../_shared/adapters/database.ts";
import { type PreparedReport, prepareReport } from "../_shared/core/recovery/report.ts";
import { redactText } from "../_shared/core/redaction/redact.ts";
import { type Clock, DatabaseError, type Logger, type Random } from "../_shared/ports.ts";
import type { MissedFailure } from "./missed-failure.ts";
import type { Recovery, RecoveryStore } from "./recovery-store.ts";

export interface AdoptOptions {
  store: Pick<RecoveryStore, "report">;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** Takes a failure that nobody reported; null when the database could not store it now, so that it is found again. */
export type Adopt = (failure: MissedFailure) => Promise<Recovery | null>;

export function createAdopt({ store, clock, random, logger }: AdoptOptions): Adopt {
  return async (failure) => {
    const { event_id, service_name, created_at } = failure;
    const failedAt = { now: new Date(created_at), random: random() };
    const ageSeconds = (clock.now() - failedAt.now.getTime()) / 1_000;
    try {
      return await store.report(scheduled(prepareReport(failure, failedAt), ageSeconds));
    } catch (error) {
      logger.error("scan.event_not_adopted", { event_id, error });
      if (error instanceof DatabaseError && !isRefusedInput(error)) return null;
      // What the database refuses now it will refuse again: people get the event without its content.
      const error_message = "The event could not be read";
      const unreadable = prepareReport({ event_id, service_name, error_message }, failedAt);
      const action_taken = `Not repeated: the event could not be read: ${
        redactText((error as Error).message)
      }`;
      return await store.report({ ...unreadable, plan: { step: "tell", action_taken } })
        .catch((second) => (logger.error("scan.event_not_adopted", { event_id, error: second }), null));
    }
  };
}

/**
 * The plan as of now: of a long wait, what has not passed since the failure; otherwise due at once, like every other
 * retry. The failure itself is old news: what counts is how the retry ends.
 */
function scheduled({ plan, ...report }: PreparedReport, ageSeconds: number): PreparedReport {
  if (plan.step === "tell") return { ...report, plan };
  if (plan.step === "wait") {
    const delay_seconds = Math.max(0, plan.delay_seconds! - Math.max(0, ageSeconds));
    return { ...report, plan: { ...plan, delay_seconds } };
  }
  const action_taken = `Found by the scan. ${plan.action_taken}`;
  return { ...report, hold: true, plan: { step: "wait", action_taken, delay_seconds: 0 } };
}
