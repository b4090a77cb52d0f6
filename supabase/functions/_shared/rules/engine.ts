import { explainCondition, type Trace } from "../core/rules/explain.ts";
import type { RuleEvent } from "../core/rules/rule.ts";
import { validateCondition } from "../core/rules/validate-condition.ts";
import type { Counts } from "../outbox/drain.ts";
import type { ActionDeps } from "./action.ts";
import { type ActionRuns, createActionRuns } from "./action-runs.ts";
import { actionDeps } from "./deps.ts";
import { checkedEvent, identifiedEvent, storedEvent } from "./event.ts";
import { createLiveRules, type LiveRules, type UnusableRule } from "./live-rules.ts";
import { matchAll, type Matched, matcherOf } from "./matching.ts";
import {
  type ActionResult,
  actionResultsOf,
  refuseActions,
  type RuleResult,
  simulateActions,
} from "./results.ts";
import { actionsOf, parseRule, type Rule, validateRule } from "./rule-schema.ts";
import type { RuleStorage, StoredRule } from "./storage.ts";

export type { ActionResult, RuleResult } from "./results.ts";

/** How long an evaluation waits for the actions that it queued. */
const PATIENCE_MS = 15_000;
type Plugins = Pick<ActionDeps, "pluginRegistry" | "pluginRuntime">;
type Rest = Omit<ActionDeps, keyof Plugins>;

/** What an engine is made of. What actions need besides plugins is given completely, or made from the environment. */
export type EngineParts =
  & { storage: RuleStorage }
  & Plugins
  & (Rest | { [Name in keyof Rest]?: undefined });

/** What one event made the rules do. */
export interface Evaluation {
  /** Under which the event is stored; null in a dry run of an event that has none. */
  eventId: string | null;
  /** The rules that were evaluated, in order. */
  evaluated: readonly Rule[];
  /** One for each of them that matched, in order. */
  results: RuleResult[];
}

/** @throws {ConfigError} when something is to be made from the environment that is not there */
export function createRuleEngine({ storage, ...parts }: EngineParts): RuleEngine {
  return new RuleEngine(storage, parts.database ? parts as ActionDeps : { ...parts, ...actionDeps() });
}

/**
 * Evaluates rules on events, and runs their actions.
 *
 * An evaluation stores its event, records what matched and queues the actions in one transaction; then it runs them and
 * waits for their results, at most 15 s. What is not done by then, and what has to be tried again, goes on in the
 * background (`action.queued`). An event with an `eventId` is evaluated once: a repetition returns what was done. A dry
 * run shows what the actions would do and touches nothing.
 *
 * Methods that evaluate throw `RuleError` for what is no rule or no event, and `DatabaseError`.
 */
export class RuleEngine {
  readonly #live: LiveRules;
  readonly #runs: ActionRuns;

  constructor(private readonly storage: RuleStorage, private readonly deps: ActionDeps) {
    this.#live = createLiveRules(storage, deps.logger);
    this.#runs = createActionRuns(storage, deps);
  }

  /**
   * Evaluates one rule, whatever its status. Its actions are run only if it is stored like this, and active.
   *
   * @param rule as people write it
   */
  async evaluateRule(rule: unknown, event: RuleEvent, dryRun = false): Promise<RuleResult> {
    const [result] = await this.#evaluateOne(event, dryRun, rule);
    return result!;
  }

  /** Evaluates the stored rules that are active: a result for each one that was evaluated, in order. */
  async evaluateAllRules(event: RuleEvent, dryRun = false): Promise<RuleResult[]> {
    return await this.#evaluateOne(event, dryRun);
  }

  /**
   * Evaluates several events, stored in one transaction.
   *
   * @param rule the only one to evaluate; all active ones unless given
   */
  async evaluateBatch(events: RuleEvent[], dryRun = false, rule?: unknown): Promise<Evaluation[]> {
    const started = performance.now();
    const only = rule === undefined ? undefined : parseRule(rule, this.deps);
    if (!only || !dryRun) await this.#live.reload();
    const match = only ? matcherOf(only, this.#live) : (event: RuleEvent) => matchAll(event, this.#live);
    const matched = events.map((event) => match(dryRun ? checkedEvent(event) : identifiedEvent(event)));
    const outcomeOf = dryRun
      ? (rule: Rule, { event }: Matched) => notExecuted(simulateActions(rule, event, this.deps))
      : await this.#fire(matched, only !== undefined);
    return matched.map((one) => ({
      eventId: (one.event.eventId as string | undefined) ?? null,
      evaluated: one.evaluated,
      results: one.matching.map((rule) => resultOf(rule, true, outcomeOf(rule, one), started)),
    }));
  }

  /** Whether a condition can be used, and if not why: `Operator gt requires a value`. */
  validateCondition(condition: unknown): { valid: boolean; errors: string[] } {
    return validateCondition(condition);
  }

  /** Whether a rule can be saved, and if not why: `condition: Sub-condition 0: field required`. */
  validateRule(rule: unknown): { valid: boolean; errors: string[] } {
    return validateRule(rule, this.deps);
  }

  /** Why a rule's condition is true for an event, or is not; whatever is wrong with its actions. */
  explainRule({ condition }: Pick<Rule, "condition">, event: RuleEvent): Trace {
    return explainCondition(condition, event);
  }

  /** The active rules that match an event, in order, as of the last {@link reload}. */
  match(event: RuleEvent): StoredRule[] {
    return this.#live.match(event);
  }

  /** Takes over what changed in the stored rules; evaluations do so by themselves. */
  async reload(): Promise<void> {
    await this.#live.reload();
  }

  /** Rules that are stored as active and cannot be evaluated, as of the last {@link reload}. */
  unusableRules(): readonly UnusableRule[] {
    return this.#live.unusable();
  }

  /** Runs what firings queued and is due, until nothing is or the deadline (of the clock, in milliseconds) has come. */
  async runActions(deadline?: number): Promise<Counts> {
    return await this.#runs.drain(deadline);
  }

  /** A result for each rule that was evaluated. */
  async #evaluateOne(event: RuleEvent, dryRun: boolean, rule?: unknown): Promise<RuleResult[]> {
    const started = performance.now();
    const [{ evaluated, results }] = await this.evaluateBatch([event], dryRun, rule) as [Evaluation];
    const matching = new Map(results.map((result) => [result.ruleId, result]));
    return evaluated.map((rule) => matching.get(rule.id) ?? resultOf(rule, false, notExecuted([]), started));
  }

  /** Stores the events, fires, and waits for the actions. Returns what came of a rule that matched an event. */
  async #fire(matched: Matched[], isOneRule: boolean) {
    const matches = matched.flatMap(({ event, firing }) =>
      firing.map((rule) => ({ rule, event: storedEvent(event) }))
    );
    // Of an event that only one rule saw, and that it did nothing on, nothing is kept: the others may see it yet.
    const seen = isOneRule ? matched.filter(({ firing }) => firing.length > 0) : matched;
    const firings = seen.length > 0
      ? await this.storage.fire(seen.map(({ event }) => storedEvent(event)), matches)
      : [];
    const ids = firings.flatMap(({ runs }) => runs.map(({ id }) => id));
    const types = new Set(matches.flatMap(({ rule }) => actionsOf(rule).map(({ type }) => type)));
    const runs = await this.#runs.resultsOf(ids, [...types], PATIENCE_MS);
    const byMatch = new Map(firings.map((firing) => [keyOf(firing.ruleId, firing.eventId), firing]));
    return (rule: Rule, { event }: Matched) => {
      const firing = byMatch.get(keyOf(rule.id, event.eventId));
      return firing
        ? { executed: firing.outcome === "fired", actionResults: actionResultsOf(rule, firing, runs) }
        : notExecuted(refuseActions(rule, notStored(rule)));
    };
  }
}

type Outcome = Pick<RuleResult, "executed" | "actionResults">;

function notExecuted(actionResults: ActionResult[]): Outcome {
  return { executed: false, actionResults };
}

function resultOf(rule: Rule, matched: boolean, outcome: Outcome, started: number): RuleResult {
  const duration = Math.round((performance.now() - started) * 100) / 100;
  return { matched, ruleId: rule.id, ruleName: rule.name, ...outcome, duration };
}

function notStored({ id, status }: Rule): string {
  return status === "active"
    ? `rule.not_saved: No active rule "${id}" is stored with this condition and these actions, so nothing was done. ` +
      "Save it, or use dryRun."
    : `rule.paused: The rule is ${status}, so nothing was done. Activate it, or use dryRun.`;
}

function keyOf(ruleId: string, eventId: unknown): string {
  return JSON.stringify([ruleId, eventId]);
}
