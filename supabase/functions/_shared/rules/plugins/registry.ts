import { z } from "zod";
import type { PluginRegistry } from "../../ports.ts";
import type { Plugin } from "./plugin.ts";
import { qualityMonitor } from "./quality-monitor.ts";

/** Every plugin; another one is a file in this folder and an entry here. */
export const plugins: readonly Plugin[] = [qualityMonitor];

const MAX_PROBLEMS = 20;

/** Tells what plugins accept. @param list those of this project unless given */
export function createPluginRegistry(list: readonly Plugin[] = plugins): PluginRegistry {
  const find = (pluginId: string) => list.find(({ id }) => id === pluginId);
  return {
    get(pluginId) {
      const plugin = find(pluginId);
      return plugin &&
        { id: plugin.id, eventTypes: mapValues(plugin.events, ({ schema }) => jsonSchema(schema)) };
    },
    problems(pluginId, eventType, payload) {
      const plugin = find(pluginId);
      if (!plugin) {
        return [`there is no plugin ${quote(pluginId)}; there are: ${list.map(({ id }) => id).join(", ")}`];
      }
      if (!Object.hasOwn(plugin.events, eventType)) {
        const handled = Object.keys(plugin.events).join(", ");
        return [`the plugin ${pluginId} handles no event ${quote(eventType)}; it handles: ${handled}`];
      }
      const { error } = plugin.events[eventType]!.schema.safeParse(payload);
      return (error?.issues ?? []).slice(0, MAX_PROBLEMS).map(({ path, message }) =>
        `${["payload", ...path].map(String).join(".")}: ${message}`.slice(0, 300)
      );
    },
  };
}

/**
 * Why an event is not handed to its plugin, as `code: reason`: `plugin.unknown | event_unknown | payload_invalid`;
 * undefined when it may be.
 */
export function refusalOf(
  registry: PluginRegistry,
  { pluginId, eventType, payload }: { pluginId: string; eventType: string; payload: unknown },
): string | undefined {
  const problems = registry.problems(pluginId, eventType, payload);
  if (problems.length === 0) return undefined;
  const plugin = registry.get(pluginId);
  const code = !plugin
    ? "unknown"
    : Object.hasOwn(plugin.eventTypes, eventType)
    ? "payload_invalid"
    : "event_unknown";
  return `plugin.${code}: ${problems.join("; ")}`;
}

function jsonSchema(schema: z.ZodType): Record<string, unknown> {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
}

function mapValues<From, To>(record: Record<string, From>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
