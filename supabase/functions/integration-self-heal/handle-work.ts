import { roundDelaySeconds } from "../_shared/core/recovery/backoff.ts";
import { redactText } from "../_shared/core/redaction/redact.ts";
import { type Clock, DatabaseError, type Logger } from "../_shared/ports.ts";
import type { Recover } from "./recover.ts";
import type { Recovery, RecoveryResult, RecoveryStore, WorkItem } from "./recovery-store.ts";

/** With the database's time limit on each, all tries fit into what a round leaves of its lease. */
const FINISH_REPEATS = 2;
const FINISH_PAUSE_MS = 500;

/** Recovers one claimed failure and stores what came of it; resolves to the recovery as it stands then. */
export type HandleWork = (work: WorkItem, firstDelayMs: number, deadline: number) => Promise<Recovery>;

/**
 * An item that breaks the recovery itself is stored as failed, with the reason, so that it neither stops other items nor
 * comes back for ever. A worker that lost its lease meanwhile writes nothing and answers with what the winner wrote.
 */
export function createHandleWork(
  { recover, store, clock, logger }: { recover: Recover; store: RecoveryStore; clock: Clock; logger: Logger },
): HandleWork {
  /** A result that is lost makes its call look as if it might have taken effect, so it is worth some patience. */
  async function finish(work: WorkItem, result: RecoveryResult) {
    for (let tries = 1;; tries++) {
      try {
        return await store.finish(work, result);
      } catch (error) {
        const passing = error instanceof DatabaseError && error.status >= 500;
        if (!passing || tries > FINISH_REPEATS) throw error;
        await clock.sleep(FINISH_PAUSE_MS * tries);
      }
    }
  }

  return async (work, firstDelayMs, deadline) => {
    const result = await recover(work, firstDelayMs, deadline).catch((error) => {
      logger.error("recovery.broken", { recovery_id: work.recovery_id, error });
      return broken(work, error);
    });
    const { accepted, ...recovery } = await finish(work, result);
    if (!accepted) logger.warn("recovery.lease_lost", { recovery_id: work.recovery_id, epoch: work.epoch });
    return recovery;
  };
}

function broken(work: WorkItem, error: unknown): RecoveryResult {
  const delay_seconds = roundDelaySeconds(work.category, work.attempts + 1, 0) ?? undefined;
  const reason = redactText(error instanceof Error ? error.message : String(error)).slice(0, 500);
  return {
    outcome: delay_seconds === undefined ? "gave_up" : "failed",
    action_taken: `The recovery itself failed: ${reason}`,
    attempts: 1,
    delay_seconds,
    reached_provider: false,
  };
}
