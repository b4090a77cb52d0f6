import { z } from "zod";
import type { RuleEvent } from "../_shared/core/rules/rule.ts";

const MAX_EVENTS = 100;

/** Audit entries have ids of their own, which nothing else may take. */
const eventId = z.string().min(1).max(200).regex(/^(?!audit_log:)/, "must not begin with audit_log:");
const event: z.ZodType<RuleEvent> = z.looseObject({ eventId: eventId.optional() });
const ruleId = z.string().max(100).optional();

export const evaluateRequest = z.strictObject({
  event: event.optional(),
  events: z.array(event).min(1).max(MAX_EVENTS).optional(),
  dryRun: z.boolean().default(false),
  /** Also tells of the rules that did not match, and why. */
  trace: z.boolean().default(false),
  /** The only rule to evaluate. */
  ruleId,
}).refine(({ event, events }) => !event !== !events, "give either event or events")
  .refine(({ events, trace }) => !events || !trace, "trace is for one event: give event instead of events")
  .transform(({ event, events, ...rest }) => ({ events: events ?? [event!], ...rest }));

export const validateRequest = z.union(
  [z.strictObject({ rule: z.unknown() }), z.strictObject({ condition: z.unknown() })],
  "give either rule or condition",
);

export const backtestRequest = z.strictObject({
  /** A stored rule, or one as it would be saved. */
  ruleId,
  rule: z.unknown().optional(),
  days: z.int().min(1).max(90).default(7),
}).refine(
  ({ ruleId, rule }) => (ruleId === undefined) !== (rule === undefined),
  "give either ruleId or rule",
);

/** A rule to create. Its own checks say more than a schema could. */
export const newRule = z.looseObject({});

/** A rule to put in the place of the version that was read. */
export const changedRule = z.looseObject({
  version: z.int("give the version that you read").min(1),
});

export const rollbackRequest = z.strictObject({ version: z.int().min(1) });
