import type { Logger, SystemMode } from "../_shared/ports.ts";
import type { RecoveryResult } from "./recovery-store.ts";

/** Nothing is due in safe mode, so that it may be due at once: then it goes on as soon as that is over. */
const AFTER_SAFE_MODE_SECONDS = 0;
const AFTER_NO_ANSWER_SECONDS = 60;

/**
 * Asks whether the next call of a recovery may be sent. To be asked directly before each.
 *
 * @param calls made in this round so far
 * @returns what the round ends with, or null when the call may be sent; a mode that cannot be read is no permission
 */
export async function holdInSafeMode(
  { mode, logger }: { mode: SystemMode; logger: Logger },
  calls: number,
): Promise<RecoveryResult | null> {
  try {
    return await mode.isSafe() ? held(calls) : null;
  } catch (error) {
    logger.error("recovery.mode_unreadable", { error });
    const action_taken = "Held: nobody knows whether the platform is in safe mode";
    return { ...held(calls), action_taken, delay_seconds: AFTER_NO_ANSWER_SECONDS };
  }
}

/** A round that safe mode ended: what was not sent counts as no attempt. */
export function held(calls: number): RecoveryResult {
  return {
    outcome: "held",
    action_taken: "Held: the platform is in safe mode",
    attempts: calls,
    delay_seconds: AFTER_SAFE_MODE_SECONDS,
    reached_provider: calls > 0,
  };
}
