import { redactText, redactValue } from "../_shared/core/redaction/redact.ts";
import type { Logger, PluginOutcome } from "../_shared/ports.ts";
import type { Plugin } from "../_shared/rules/plugins/plugin.ts";
import { createPluginRegistry, refusalOf } from "../_shared/rules/plugins/registry.ts";

const TIME_LIMIT_MS = 5_000;
const MAX_RESULT_BYTES = 16 * 1024;
const MAX_ERROR = 500;

/** An event for a plugin. */
export interface Emission {
  pluginId: string;
  eventType: string;
  payload: unknown;
  runId: string;
}

/**
 * Hands an event to its plugin and waits for it, within limits of time and size. Never rejects.
 *
 * @returns `failed` with `plugin.unknown | event_unknown | payload_invalid` when the plugin was not called, with
 *   `plugin.threw | result_invalid` when it was; `unreachable` with `plugin.timeout` when it did not finish
 */
export async function runPlugin(
  plugins: readonly Plugin[],
  emission: Emission,
  { logger, timeLimitMs = TIME_LIMIT_MS }: { logger: Logger; timeLimitMs?: number },
): Promise<PluginOutcome> {
  const { pluginId, eventType, runId } = emission;
  const refusal = refusalOf(createPluginRegistry(plugins), emission);
  if (refusal) return { state: "failed", error: refusal };

  const { schema, handle } = plugins.find(({ id }) => id === pluginId)!.events[eventType]!;
  const signal = AbortSignal.timeout(timeLimitMs);
  const timeIsUp = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  try {
    const handled = new Promise((resolve) =>
      resolve(handle(schema.parse(emission.payload), { runId, signal }))
    );
    return toOutcome(await Promise.race([handled, timeIsUp]));
  } catch (error) {
    if (signal.aborted) {
      const text = `${pluginId} did not handle the event within ${timeLimitMs} ms, and may still be at it`;
      return { state: "unreachable", error: `plugin.timeout: ${text}` };
    }
    logger.error("plugin.threw", { plugin_id: pluginId, event_type: eventType, run_id: runId, error });
    return { state: "failed", error: `plugin.threw: ${describe(error)}` };
  }
}

function toOutcome(result: unknown): PluginOutcome {
  const json = toJson(result);
  if (json && new TextEncoder().encode(json).length <= MAX_RESULT_BYTES) {
    return { state: "handled", result: redactValue(JSON.parse(json)) };
  }
  const text = `the plugin handled the event, but returned no JSON of at most ${MAX_RESULT_BYTES / 1024} kB`;
  return { state: "failed", error: `plugin.result_invalid: ${text}` };
}

/** Undefined for what JSON cannot say. */
function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value ?? null) ?? "null";
  } catch {
    return undefined;
  }
}

function describe(error: unknown): string {
  if (error instanceof Error) return redactText(`${error.name}: ${error.message}`).slice(0, MAX_ERROR);
  return typeof error === "string" ? redactText(error).slice(0, MAX_ERROR) : "it threw no Error";
}
