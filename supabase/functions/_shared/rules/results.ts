import type { RuleEvent } from "../core/rules/rule.ts";
import type { Firing } from "../ports.ts";
import type { CheckDeps } from "./action.ts";
import type { KnownRun } from "./action-runs.ts";
import { actionOf } from "./actions.ts";
import { errorText, shortText } from "./error-text.ts";
import { renderAction } from "./render-action.ts";
import { actionProblems, actionsOf, type Rule } from "./rule-schema.ts";

/** What came of one action. */
export interface ActionResult {
  success: boolean;
  result?: Record<string, unknown>;
  /** `code: what happened, why, what to do`. */
  error?: string;
  metadata: { action: string; dryRun?: true };
}

/** What came of one rule on one event. */
export interface RuleResult {
  matched: boolean;
  ruleId: string;
  ruleName: string;
  /** Whether its actions were run or, where they are tried again, queued; never in a dry run. */
  executed: boolean;
  /** One for each action of a rule that matched, in their order. */
  actionResults: ActionResult[];
  /** Milliseconds from the beginning of the evaluation until this result was known. */
  duration: number;
}

const SUPPRESSED: Record<string, string> = {
  "rule.paused": "The rule is not active any more, so nothing was done. Activate it and send a new event",
  "rule.cooldown": "The rule fired so shortly ago that its cooldown is not over, so nothing was done",
  "rule.limit": "The rule fired as often as maxFiresPerHour allows within this hour, so nothing was done",
};

/** What each action of a rule would do; touches nothing. */
export function simulateActions(rule: Rule, event: RuleEvent, deps: CheckDeps): ActionResult[] {
  return actionsOf(rule).map((definition) => {
    const metadata = { action: definition.type, dryRun: true as const };
    const problems = actionProblems(definition, deps);
    if (problems.length > 0) {
      return { success: false, error: shortText(`action.invalid: ${problems.join("; ")}`), metadata };
    }
    try {
      const rendered = renderAction(definition, event);
      return { success: true, result: actionOf(definition.type)!.simulate(rendered, deps), metadata };
    } catch (error) {
      return { success: false, error: errorText(error), metadata };
    }
  });
}

/** The same error for every action of a rule. */
export function refuseActions(rule: Rule, error: string): ActionResult[] {
  return actionsOf(rule).map(({ type }) => ({ success: false, error, metadata: { action: type } }));
}

/** What became of each action of a rule that matched. */
export function actionResultsOf(rule: Rule, firing: Firing, runs: Map<string, KnownRun>): ActionResult[] {
  if (firing.outcome === "suppressed") {
    return refuseActions(rule, `${firing.reason}: ${SUPPRESSED[firing.reason!]}.`);
  }
  return firing.runs.map(({ id, position }) => resultOf(runs.get(id), actionsOf(rule)[position]?.type));
}

function resultOf(run: KnownRun | undefined, type = "unknown"): ActionResult {
  const metadata = { action: run?.type ?? type };
  if (run?.state === "succeeded") return { success: true, result: run.result ?? {}, metadata };
  if (run?.state === "failed") return { success: false, error: run.error ?? "action.failed", metadata };
  const why = run?.error ? `It is tried again later: ${run.error}` : "It goes on in the background";
  return { success: false, error: `action.queued: ${why}`, metadata };
}
