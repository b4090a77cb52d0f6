import type { z } from "zod";
import type { RuleEngine, RuleResult } from "../_shared/rules/engine.ts";
import type { RuleStorage } from "../_shared/rules/storage.ts";
import type { evaluateRequest } from "./requests.ts";

export interface EvaluateDeps {
  engine: RuleEngine;
  storage: Pick<RuleStorage, "read" | "list">;
}

/**
 * Evaluates one event or several. The answer holds, event by event, the results of the rules that matched; with `trace`
 * those of all rules that were evaluated, each with the reason why it matched or did not.
 */
export function createEvaluate({ engine, storage }: EvaluateDeps) {
  return async ({ events, dryRun, trace, ruleId }: z.output<typeof evaluateRequest>) => {
    const rule = ruleId === undefined ? undefined : await storage.read(ruleId);
    const evaluations = await engine.evaluateBatch(events, dryRun, rule);
    const rules = trace ? new Map((rule ? [rule] : await storage.list()).map((one) => [one.id, one])) : null;
    const explained = (result: RuleResult) => ({
      ...result,
      trace: engine.explainRule(rules!.get(result.ruleId), events[0]!),
    });
    return {
      dryRun,
      evaluations: evaluations.map(({ eventId, results }) => ({
        eventId,
        evaluated: results.length,
        results: trace ? results.map(explained) : results.filter(({ matched }) => matched),
      })),
      unusable: engine.unusableRules(),
    };
  };
}
