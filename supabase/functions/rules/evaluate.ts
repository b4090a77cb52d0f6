import type { z } from "zod";
import type { RuleEngine } from "../_shared/rules/engine.ts";
import type { RuleStorage } from "../_shared/rules/storage.ts";
import type { evaluateRequest } from "./requests.ts";

export interface EvaluateDeps {
  engine: RuleEngine;
  storage: Pick<RuleStorage, "read">;
}

/**
 * Evaluates one event or several. The answer says for each of them how many rules were evaluated, and what came of those
 * that matched; with `trace` also why each one matched or did not.
 */
export function createEvaluate({ engine, storage }: EvaluateDeps) {
  return async ({ events, dryRun, trace, ruleId }: z.output<typeof evaluateRequest>) => {
    const rule = ruleId === undefined ? undefined : await storage.read(ruleId);
    const evaluations = await engine.evaluateBatch(events, dryRun, rule);
    return {
      dryRun,
      evaluations: evaluations.map(({ eventId, evaluated, results }, i) => ({
        eventId,
        evaluated: evaluated.length,
        results,
        ...(trace && {
          traces: evaluated.map((rule) => ({
            ruleId: rule.id,
            ...engine.explainRule(rule, { ...events[i], ...(eventId !== null && { eventId }) }),
          })),
        }),
      })),
      unusable: engine.unusableRules(),
    };
  };
}
