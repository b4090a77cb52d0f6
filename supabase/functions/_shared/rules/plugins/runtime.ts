import { z } from "zod";
import { type Egress, EgressError, type PluginOutcome, type PluginRuntime } from "../../ports.ts";

const answerSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("handled"), result: z.unknown() }),
  z.object({ state: z.literal("failed"), error: z.string() }),
  z.object({ state: z.literal("unreachable"), error: z.string() }),
]);

/**
 * Runs plugins in the function `plugins`: an instance of its own, so that one that loops, exhausts the memory or crashes
 * takes no rule with it, and the caller's time limit holds whatever the plugin does. When the answer is lost, nobody
 * knows what the plugin did.
 *
 * @param projectUrl without a slash at its end
 */
export function createPluginRuntime(
  { egress, projectUrl, internalToken }: { egress: Egress; projectUrl: string; internalToken: string },
): PluginRuntime {
  return {
    async emit(emission, timeoutMs) {
      try {
        const { status, body } = await egress.send({
          url: `${projectUrl}/functions/v1/plugins`,
          method: "POST",
          headers: { "content-type": "application/json", "x-internal-token": internalToken },
          body: JSON.stringify(emission),
          timeoutMs,
        });
        return status === 200 ? parseAnswer(body) : unreachable(`it answered with status ${status}`);
      } catch (error) {
        if (error instanceof EgressError) return unreachable(`${error.code}: ${error.message}`);
        throw error;
      }
    },
  };
}

function parseAnswer(body: string): PluginOutcome {
  try {
    return answerSchema.parse(JSON.parse(body));
  } catch {
    return unreachable("its answer is not one of this product");
  }
}

function unreachable(reason: string): PluginOutcome {
  const text = `the function plugins gave no answer, so nobody knows what the plugin did: ${reason}`;
  return { state: "unreachable", error: `plugin.unreachable: ${text}. See the function's log.` };
}
