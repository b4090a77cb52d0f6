/** The words of the rules engine: conditions, rules, events. The zod schemas beside this file check values of these types. */

export type Operator =
  | "eq"
  | "ne"
  | "gt"
  | "lt"
  | "gte"
  | "lte"
  | "in"
  | "nin"
  | "contains"
  | "not_contains"
  | "matches"
  | "not_matches"
  | "exists"
  | "not_exists";

/** Compares what a path leads to with a value. */
export interface Leaf {
  /** Dots lead into objects and arrays: `items.0.price`. */
  field: string;
  operator: Operator;
  /** Absent for `exists` and `not_exists` only. */
  value?: unknown;
}

/** Conditions that hold together. */
export interface Group {
  /** `and` unless given. */
  logic?: "and" | "or";
  conditions: Condition[];
}

export type Condition = Leaf | Group;

/** A JSON object. Stored events carry their identity as `eventId`. */
export type RuleEvent = Record<string, unknown>;

/** What deciding whether a rule matches needs of it. */
export interface MatchableRule {
  id: string;
  /** Only `active` ones match. */
  status: "active" | "paused" | "archived";
  /** Greater ones first, then by id. */
  priority: number;
  /** After a match of a `first_match` rule those behind it are not evaluated; `all` unless given. */
  mode?: "all" | "first_match";
  condition: Condition;
}

/** A rule or an event cannot be used as it is. */
export class RuleError extends Error {
  override name = "RuleError";
  /** @param errors one sentence each, beginning with where in the rule it is */
  constructor(
    readonly code: "rule.invalid" | "rule.duplicate" | "event.invalid",
    message: string,
    readonly errors: string[] = [],
  ) {
    super(message);
  }
}
