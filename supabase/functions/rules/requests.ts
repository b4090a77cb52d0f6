import { z } from "zod";
import { eventSchema as event } from "../_shared/rules/event.ts";

const MAX_EVENTS = 100;

const ruleId = z.string().max(100).optional();

export const evaluateRequest = z.strictObject({
  event: event.optional(),
  events: z.array(event).min(1).max(MAX_EVENTS).optional(),
  dryRun: z.boolean().default(false),
  /** Also tells of every rule that was evaluated why it matched, or did not. */
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
