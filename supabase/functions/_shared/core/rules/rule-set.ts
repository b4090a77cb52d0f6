/** Many rules at once: compiled, indexed, matched with one event after the other. */
import { type Entry } from "./choose-door.ts";
import { CompiledConditions } from "./compile-condition.ts";
import { EventChecks, type Turn } from "./event-checks.ts";
import { RankSet } from "./rank-set.ts";
import { type MatchableRule, RuleError, type RuleEvent } from "./rule.ts";
import { Bucket } from "./rule-index.ts";

/** Rules that were compiled together. Rule sets share nothing that changes. */
export class RuleSet<R extends MatchableRule> {
  readonly #turn: Turn = { event: {}, number: 0 };
  readonly #index: Bucket;
  readonly #found: RankSet;

  /**
   * @param ranked active rules in order; their position is their rank
   * @param entries what makes each rank match
   * @param conditions what the next rule set may take over
   */
  constructor(readonly ranked: R[], entries: Entry[], readonly conditions: CompiledConditions) {
    this.#index = new Bucket(entries);
    this.#found = new RankSet(ranked.length);
  }

  /**
   * The active rules whose condition is true for an event.
   *
   * @param event a JSON object; anything else matches no rule
   * @returns greater priority first, then by id; nothing behind a `first_match` rule
   */
  match(event: unknown): R[] {
    const matches: R[] = [];
    if (typeof event !== "object" || event === null || Array.isArray(event)) return matches;
    this.#turn.event = event as RuleEvent;
    this.#turn.number++;
    this.#found.clear();
    this.#index.visit(this.#turn, this.#found);
    const { words } = this.#found;
    for (let word = 0; word < words.length; word++) {
      for (let bits = words[word]!; bits !== 0; bits &= bits - 1) {
        const rule = this.ranked[word * 32 + 31 - Math.clz32(bits & -bits)]!;
        matches.push(rule);
        if (rule.mode === "first_match") return matches;
      }
    }
    return matches;
  }
}

/**
 * Compiles rules for matching. Conditions that the previous rule set had are taken over from it, patterns included; it
 * stays as usable as it was.
 *
 * @param rules any status and order; their conditions are not changed afterwards
 * @throws RuleError `rule.duplicate` for two rules with one id, `rule.invalid` for a condition that cannot be used
 */
export function compileRules<R extends MatchableRule>(rules: R[], previous?: RuleSet<R>): RuleSet<R> {
  const ids = new Set<string>();
  const conditions = new CompiledConditions();
  const active = [];
  for (const rule of rules) {
    if (ids.has(rule.id)) {
      throw new RuleError("rule.duplicate", `Two rules have the id ${rule.id}: give one of them another id.`);
    }
    ids.add(rule.id);
    const alternatives = conditions.compile(rule, previous?.conditions);
    if (rule.status === "active") active.push({ rule, alternatives });
  }
  active.sort((a, b) => b.rule.priority - a.rule.priority || (a.rule.id < b.rule.id ? -1 : 1));
  const checks = new EventChecks();
  const entries = active.flatMap(({ alternatives }, rank) =>
    alternatives.map((tests) => ({ rank, checks: tests.map(checks.of), copies: 1 }))
  );
  return new RuleSet(active.map(({ rule }) => rule), entries, conditions);
}
