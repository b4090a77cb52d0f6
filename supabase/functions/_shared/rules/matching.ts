import { jsonEqual } from "../core/rules/json.ts";
import type { RuleEvent } from "../core/rules/rule.ts";
import { compileRules } from "../core/rules/rule-set.ts";
import type { LiveRules } from "./live-rules.ts";
import { actionsOf, type Rule } from "./rule-schema.ts";
import type { StoredRule } from "./storage.ts";

/** What rules make of an event. */
export interface Matched {
  event: RuleEvent;
  evaluated: readonly Rule[];
  matching: readonly Rule[];
  /** Those of the matching ones whose actions may be run. */
  firing: readonly StoredRule[];
}

/** Matches an event with all active rules. */
export function matchAll(event: RuleEvent, live: LiveRules): Matched {
  const matching = live.match(event);
  const rules = live.rules();
  const last = matching.at(-1);
  // A first match keeps those behind it from being evaluated.
  const evaluated = last?.mode === "first_match" ? rules.slice(0, rules.indexOf(last) + 1) : rules;
  return { event, evaluated, matching, firing: matching };
}

/** Matches events with one rule, whatever its status; it fires if it is active, and stored as it is given. */
export function matcherOf(rule: Rule, live: LiveRules): (event: RuleEvent) => Matched {
  const set = compileRules([{ ...rule, status: "active" as const }]);
  const stored = live.rules().find(({ id }) => id === rule.id);
  const mayFire = stored && rule.status === "active" && jsonEqual(stored.condition, rule.condition) &&
    jsonEqual(actionsOf(stored), actionsOf(rule));
  return (event) => {
    const isMatch = set.match(event).length > 0;
    return {
      event,
      evaluated: [rule],
      matching: isMatch ? [rule] : [],
      firing: isMatch && mayFire ? [stored] : [],
    };
  };
}
