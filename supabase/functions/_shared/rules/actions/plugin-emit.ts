import { z } from "zod";
import { hasTemplates } from "../../core/rules/template.ts";
import type { Action, ActionDefinition, ActionOutcome } from "../action.ts";
import { refusalOf } from "../plugins/registry.ts";

/** More than the plugin itself has, so that a slow one can still say so. */
const TIME_LIMIT_MS = 10_000;

/** Hands an event to a plugin. */
export interface PluginEmit extends ActionDefinition {
  type: "plugin_emit";
  pluginId: string;
  eventType: string;
  /** An empty object unless given. */
  payload?: unknown;
}

export const pluginEmit: Action<PluginEmit> = {
  type: "plugin_emit",
  schema: z.strictObject({
    type: z.literal("plugin_emit"),
    pluginId: z.string().min(1).max(100),
    eventType: z.string().min(1).max(100),
    payload: z.unknown().optional(),
  }),

  check({ pluginId, eventType, payload = {} }, { pluginRegistry }) {
    const plugin = pluginRegistry.get(pluginId);
    // What a template will bring is known when the rule fires; then the payload is checked again.
    if (plugin && Object.hasOwn(plugin.eventTypes, eventType) && hasTemplates(payload)) return [];
    return pluginRegistry.problems(pluginId, eventType, payload);
  },

  simulate({ pluginId, eventType, payload = {} }, { pluginRegistry }) {
    const problems = pluginRegistry.problems(pluginId, eventType, payload);
    return { simulated: true, pluginId, eventType, payload, ...(problems.length > 0 && { problems }) };
  },

  async run({ pluginId, eventType, payload = {} }, { run, beforeEffect, deps }): Promise<ActionOutcome> {
    const emission = { pluginId, eventType, payload, runId: run.id };
    const refusal = refusalOf(deps.pluginRegistry, emission);
    if (refusal) return { state: "failed", error: refusal };

    await beforeEffect();
    const outcome = await deps.pluginRuntime.emit(emission, TIME_LIMIT_MS);
    if (outcome.state === "handled") {
      return { state: "succeeded", result: { pluginId, eventType, result: outcome.result } };
    }
    // Like a receiver that answers 500: what made the plugin throw may pass, and the run's id keeps it from doing
    // something twice. The engine gives up in the end and tells people.
    return { state: "retry", error: outcome.error };
  },
};
