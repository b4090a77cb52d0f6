/** Rules evaluated one by one, exactly as the documentation says and as slow as that: what the matcher is held against. */
import { type Comparison, operators } from "../core/rules/operators.ts";
import { parsePath, readPath } from "../core/rules/path.ts";
import type { Condition, Leaf, MatchableRule } from "../core/rules/rule.ts";
import { and, or, type Truth } from "../core/rules/truth.ts";

/** Patterns take long to compile. */
const comparisons = new WeakMap<Leaf, Comparison>();

export function evaluateNaively(condition: Condition, event: unknown): Truth {
  if ("conditions" in condition) {
    const truths = condition.conditions.map((part) => evaluateNaively(part, event));
    return condition.logic === "or" ? or(truths) : and(truths);
  }
  const compare = comparisons.get(condition) ?? operators[condition.operator].compile(condition.value);
  comparisons.set(condition, compare);
  return compare(readPath(event, parsePath(condition.field)));
}

/** @returns the rules that match, in order; none for what is no object */
export function matchNaively<R extends MatchableRule>(rules: R[], event: unknown): R[] {
  if (typeof event !== "object" || event === null || Array.isArray(event)) return [];
  const matches: R[] = [];
  const ordered = rules.toSorted((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1));
  for (const rule of ordered) {
    if (rule.status !== "active" || evaluateNaively(rule.condition, event) !== true) continue;
    matches.push(rule);
    if (rule.mode === "first_match") break;
  }
  return matches;
}
