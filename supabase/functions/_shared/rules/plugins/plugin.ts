import type { z } from "zod";

/** What a plugin learns about an event besides its payload. */
export interface PluginContext {
  /**
   * The same whenever the same event comes again, which it does after a lost answer, a time limit or an error: a plugin
   * that has an effect outside looks up whether this run had it already.
   */
  runId: string;
  /** Aborts at the time limit. What goes on after it is not waited for, and may be ended at any moment. */
  signal: AbortSignal;
}

/** How a plugin handles events of one type; made by {@link onEvent}. */
export interface PluginEvent {
  schema: z.ZodType;
  handle(payload: unknown, context: PluginContext): unknown;
}

/**
 * A part of the project that reacts to what rules emit: one file in this folder, and an entry in `registry.ts`.
 *
 * It runs in the function `plugins`, apart from the rules, and gets a payload of its own that passed the schema. What it
 * returns is recorded with the run: JSON of at most 16 kB, secrets hidden. What it throws is recorded as the reason why
 * the run is tried again.
 */
export interface Plugin {
  /** Kebab case, as rules name it. */
  id: string;
  /** One sentence for people. */
  description: string;
  events: Record<string, PluginEvent>;
}

/**
 * Handles events of one type.
 *
 * @param schema the payload's shape; may not ask anybody, as rules are checked with it before they are saved
 * @param handle gets what the schema made of the payload
 */
export function onEvent<Schema extends z.ZodType>(
  schema: Schema,
  handle: (payload: z.output<Schema>, context: PluginContext) => unknown,
): PluginEvent {
  return { schema, handle: (payload, context) => handle(payload as z.output<Schema>, context) };
}
