import type {} from "@supabase/functions-js/src/edge-runtime.d.ts";
import type { Background, Logger } from "../ports.ts";

/** What the hosted runtime offers beside the standard APIs. */
interface Runtime {
  EdgeRuntime?: Pick<typeof EdgeRuntime, "waitUntil">;
}

/**
 * Lets work go on after the response was sent. On the hosted platform the instance stays up for it; elsewhere the
 * process is up anyway. A failure is logged, because nobody waits for the result.
 */
export function createBackground(
  { logger, runtime = globalThis as Runtime }: { logger: Logger; runtime?: Runtime },
): Background {
  return (work) => {
    const guarded = work.catch((error) => logger.error("background.failed", { error }));
    runtime.EdgeRuntime?.waitUntil(guarded);
  };
}
