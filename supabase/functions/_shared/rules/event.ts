import { z } from "zod";
import { RuleError, type RuleEvent } from "../core/rules/rule.ts";
import type { StoredEvent } from "./storage.ts";

/** Much deeper ones overflow the stack of who reads or writes them as JSON. */
const MAX_LEVELS = 64;

/** What rules look at: a JSON object. Entries of the audit log have ids of their own, which nothing else may take. */
export const eventSchema: z.ZodType<RuleEvent> = z.looseObject({
  eventId: z.string().min(1).max(200)
    .regex(/^(?!audit_log:)/, "must not begin with audit_log:")
    // Postgres has no such text: the event would be stored under another id than the one that it was given.
    .refine((id) => id.isWellFormed() && !id.includes("\0"), "must not hold NUL or half a character")
    .optional(),
}).refine((event) => !isDeeper(event, MAX_LEVELS), `must not be nested deeper than ${MAX_LEVELS} levels`);

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1));
}

/**
 * The event as it is.
 *
 * @throws {RuleError} `event.invalid`
 */
export function checkedEvent(event: unknown): RuleEvent {
  const { error } = eventSchema.safeParse(event);
  if (!error) return event as RuleEvent;
  const errors = error.issues.map(({ path, message }) => [...path, message].join(": "));
  throw new RuleError("event.invalid", `This is no event: ${errors.join("; ")}. Send a JSON object.`, errors);
}

/** The event with an `eventId`: its own, or a new one. Throws as {@link checkedEvent}. */
export function identifiedEvent(event: unknown): RuleEvent {
  const given = checkedEvent(event);
  return { ...given, eventId: given.eventId ?? crypto.randomUUID() };
}

/** An event that has an `eventId`, as it is stored. */
export function storedEvent(event: RuleEvent): StoredEvent {
  return { id: event.eventId as string, event };
}
