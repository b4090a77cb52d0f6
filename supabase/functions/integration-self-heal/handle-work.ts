import { roundDelaySeconds } from "../_shared/core/recovery/backoff.ts";
import { redactText } from "../_shared/core/redaction/redact.ts";
import type { Logger } from "../_shared/ports.ts";
import type { Recover } from "./recover.ts";
import type { Recovery, RecoveryResult, RecoveryStore, WorkItem } from "./recovery-store.ts";

/** Recovers one claimed failure and stores what came of it; resolves to the recovery as it stands then. */
export type HandleWork = (work: WorkItem, firstDelayMs: number, deadline: number) => Promise<Recovery>;

/**
 * An item that breaks the recovery itself is stored as failed, with the reason, so that it neither stops other items nor
 * comes back for ever. A worker that lost its lease meanwhile writes nothing and answers with what the winner wrote.
 */
export function createHandleWork(
  { recover, store, logger }: { recover: Recover; store: RecoveryStore; logger: Logger },
): HandleWork {
  return async (work, firstDelayMs, deadline) => {
    const result = await recover(work, firstDelayMs, deadline).catch((error) => {
      logger.error("recovery.broken", { recovery_id: work.recovery_id, error });
      return broken(work, error);
    });
    const { accepted, ...recovery } = await store.finish(work, result);
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
