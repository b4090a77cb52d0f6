import { isRefusedInput } from "../_shared/adapters/database.ts";
import { type FailureReport, type PreparedReport, prepareReport } from "../_shared/core/recovery/report.ts";
import { redactText } from "../_shared/core/redaction/redact.ts";
import { type Clock, DatabaseError, type Logger, type Random } from "../_shared/ports.ts";
import type { Recovery, RecoveryStore } from "./recovery-store.ts";

export interface AdoptOptions {
  store: Pick<RecoveryStore, "report">;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** Takes a failure that nobody reported; null when the database could not store it now, so that it is found again. */
export type Adopt = (failure: FailureReport) => Promise<Recovery | null>;

export function createAdopt({ store, clock, random, logger }: AdoptOptions): Adopt {
  const prepare = (failure: FailureReport) =>
    prepareReport(failure, { now: new Date(clock.now()), random: random() });
  return async (failure) => {
    const { event_id, service_name } = failure;
    try {
      return await store.report(scheduled(prepare(failure)));
    } catch (error) {
      logger.error("scan.event_not_adopted", { event_id, error });
      if (error instanceof DatabaseError && !isRefusedInput(error)) return null;
      // What the database refuses now it will refuse again: people get the event without its content.
      const unreadable = prepare({ event_id, service_name, error_message: "The event could not be read" });
      const action_taken = `Not repeated: the event could not be read: ${
        redactText((error as Error).message)
      }`;
      return await store.report({ ...unreadable, plan: { step: "tell", action_taken } })
        .catch((second) => (logger.error("scan.event_not_adopted", { event_id, error: second }), null));
    }
  };
}

/** Due at once, like every other retry. The failure itself is old news: what counts is how the retry ends. */
function scheduled(report: PreparedReport): PreparedReport {
  if (report.plan.step !== "recover") return report;
  const action_taken = `Found by the scan. ${report.plan.action_taken}`;
  return { ...report, hold: true, plan: { step: "wait", action_taken, delay_seconds: 0 } };
}
