import type { MatchableRule, RuleEvent } from "../core/rules/rule.ts";
import { compileRules, type RuleSet } from "../core/rules/rule-set.ts";
import { validateCondition } from "../core/rules/validate-condition.ts";
import type { Logger } from "../ports.ts";
import type { RuleStorage, StoredRule } from "./storage.ts";

/** A rule that is stored as active and cannot be evaluated. */
export interface UnusableRule {
  ruleId: string;
  errors: string[];
}

/** The active rules, as they were when they were loaded last. */
export interface LiveRules {
  /** Those that are evaluated, in their order. */
  rules(): readonly StoredRule[];
  /** What the database accepted and this engine refuses, such as a pattern that RE2 does not have. */
  unusable(): readonly UnusableRule[];
  match(event: RuleEvent): StoredRule[];
  /** Takes over what changed since. Until the new rules are compiled the old ones go on; throws `DatabaseError`. */
  reload(): Promise<void>;
}

/** Nothing is loaded before the first `reload`. */
export function createLiveRules(storage: Pick<RuleStorage, "load">, logger: Logger): LiveRules {
  let version: number | null = null;
  let rules: StoredRule[] = [];
  let unusable: UnusableRule[] = [];
  let set: RuleSet<StoredRule> = compileRules<StoredRule>([]);
  let [lastTurn, loadedTurn] = [0, 0];
  return {
    rules: () => rules,
    unusable: () => unusable,
    match: (event) => set.match(event),
    async reload() {
      const turn = ++lastTurn;
      const loaded = await storage.load(version);
      // An answer that a later one overtook is out of date. Versions do not tell: those of a restored database go back.
      if (!loaded.rules || turn < loadedTurn) return;
      loadedTurn = turn;
      const compiled = compileUsable(loaded.rules, set);
      ({ set, rules, unusable } = compiled);
      version = loaded.version;
      logger.info("rules.loaded", { version, rules: rules.length });
      for (const rule of unusable) logger.error("rule.unusable", { ...rule });
    },
  };
}

/** Compiles rules, leaving out those with a condition that cannot be evaluated. */
export function compileUsable<R extends MatchableRule>(
  all: R[],
  previous?: RuleSet<R>,
): { set: RuleSet<R>; rules: R[]; unusable: UnusableRule[] } {
  try {
    return { set: compileRules(all, previous), rules: all, unusable: [] };
  } catch {
    const unusable = all.flatMap(unusableRule);
    const rules = all.filter(({ id }) => !unusable.some(({ ruleId }) => ruleId === id));
    return { set: compileRules(rules, previous), rules, unusable };
  }
}

function unusableRule({ id, condition }: MatchableRule): UnusableRule[] {
  const { valid, errors } = validateCondition(condition);
  return valid ? [] : [{ ruleId: id, errors }];
}
