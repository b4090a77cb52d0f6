import type { SubsystemLogger } from "../_shared/audit/subsystem-logger.ts";
import type { Clock } from "../_shared/ports.ts";

const PAUSE_MS = 60_000;

/**
 * Logs requests that were refused for their signature: the first one at once, those of the following minute with the
 * next one. Anybody may send such requests, and what they leave in the audit log stays there.
 *
 * @throws {DatabaseError} from the returned function, when the log cannot be written
 */
export function createRefusalLog(
  { logger, clock }: { logger: Pick<SubsystemLogger, "logError">; clock: Clock },
): () => Promise<void> {
  let refused = 0;
  let quietUntil = -Infinity;
  return async () => {
    refused++;
    if (clock.now() < quietUntil) return;
    const message =
      `${refused} request(s) without a valid signature, counted since the entry before this one`;
    refused = 0;
    quietUntil = clock.now() + PAUSE_MS;
    await logger.logError({
      ...{ actor: "system", action: "webhook.refused", resource: "webhook:stripe" },
      error: { code: "webhook.signature_invalid", message },
    });
  };
}
