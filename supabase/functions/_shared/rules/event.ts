import { z } from "zod";
import { RuleError, type RuleEvent } from "../core/rules/rule.ts";
import type { StoredEvent } from "./storage.ts";

/** What rules look at: a JSON object. Entries of the audit log have ids of their own, which nothing else may take. */
export const eventSchema: z.ZodType<RuleEvent> = z.looseObject({
  eventId: z.string().min(1).max(200).regex(/^(?!audit_log:)/, "must not begin with audit_log:").optional(),
});

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
