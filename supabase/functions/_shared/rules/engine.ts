import { explainCondition, type Trace } from "../core/rules/explain.ts";
import { jsonEqual } from "../core/rules/json.ts";
import { RuleError, type RuleEvent } from "../core/rules/rule.ts";
import { compileRules } from "../core/rules/rule-set.ts";
import { validateCondition } from "../core/rules/validate-condition.ts";
import type { Counts } from "../outbox/drain.ts";
import type { ActionDeps } from "./action.ts";
import { type ActionRuns, createActionRuns } from "./action-runs.ts";
import { actionDeps } from "./deps.ts";
import { createLiveRules, type LiveRules, type UnusableRule } from "./live-rules.ts";
import {
  type ActionResult,
  actionResultsOf,
  refuseActions,
  type RuleResult,
  simulateActions,
} from "./results.ts";
import { actionsOf, parseRule, type Rule, validateRule } from "./rule-schema.ts";
import type { RuleStorage, StoredEvent, StoredRule } from "./storage.ts";

export type { ActionResult, RuleResult } from "./results.ts";

/** How long an evaluation waits for the actions that it queued. */
const PATIENCE_MS = 15_000;
/** Audit entries have ids of their own, which nothing else may take. */
const EVENT_ID = /^(?!audit_log:).{1,200}$/s;

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
  /** One for each active rule that was evaluated, in order. */
  results: RuleResult[];
}

/** An event and what the rules make of it. */
interface Matched {
  event: RuleEvent;
  evaluated: readonly Rule[];
  matching: Set<Rule>;
  /** Those of the matching ones whose actions may be run. */
  firing: readonly StoredRule[];
}

/** @throws {ConfigError} when something is to be made from the environment that is not there */
export function createRuleEngine({ storage, ...parts }: EngineParts): RuleEngine {
  return new RuleEngine(storage, parts.database ? parts as ActionDeps : { ...actionDeps(), ...parts });
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
    const [evaluation] = await this.evaluateBatch([event], dryRun, rule);
    return evaluation!.results[0]!;
  }

  /** Evaluates the stored rules that are active: a result for each one that was evaluated, in order. */
  async evaluateAllRules(event: RuleEvent, dryRun = false): Promise<RuleResult[]> {
    const [evaluation] = await this.evaluateBatch([event], dryRun);
    return evaluation!.results;
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
    const match = only ? this.#matcherOf(only) : (event: RuleEvent) => this.#matchAll(event);
    const matched = events.map((event) => match(dryRun ? checked(event) : identified(event)));
    const actionsOn = dryRun
      ? (rule: Rule, { event }: Matched) => notExecuted(simulateActions(rule, event, this.deps))
      : await this.#fire(matched, only !== undefined);
    return matched.map((one) => ({
      eventId: (one.event.eventId as string | undefined) ?? null,
      results: one.evaluated.map((rule) => {
        const isMatch = one.matching.has(rule);
        return {
          ...{ matched: isMatch, ruleId: rule.id, ruleName: rule.name },
          ...(isMatch ? actionsOn(rule, one) : notExecuted([])),
          duration: Math.round((performance.now() - started) * 100) / 100,
        };
      }),
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

  /** Why a rule's condition is true for an event, or is not. */
  explainRule(rule: unknown, event: RuleEvent): Trace {
    return explainCondition(parseRule(rule, this.deps).condition, event);
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

  #matcherOf(rule: Rule): (event: RuleEvent) => Matched {
    const set = compileRules([{ ...rule, status: "active" as const }]);
    const stored = this.#live.rules().find(({ id }) => id === rule.id);
    const mayFire = stored && rule.status === "active" && jsonEqual(stored.condition, rule.condition) &&
      jsonEqual(actionsOf(stored), actionsOf(rule));
    return (event) => {
      const isMatch = set.match(event).length > 0;
      return {
        ...{ event, evaluated: [rule], matching: new Set(isMatch ? [rule] : []) },
        firing: isMatch && mayFire ? [stored] : [],
      };
    };
  }

  #matchAll(event: RuleEvent): Matched {
    const firing = this.#live.match(event);
    const last = firing.at(-1);
    const rules = this.#live.rules();
    const evaluated = last?.mode === "first_match" ? rules.slice(0, rules.indexOf(last) + 1) : rules;
    return { event, evaluated, matching: new Set(firing), firing };
  }

  /** Stores the events, fires, and waits for the actions. Returns what came of a rule that matched an event. */
  async #fire(matched: Matched[], isOneRule: boolean) {
    const matches = matched.flatMap(({ event, firing }) =>
      firing.map((rule) => ({ rule, event: stored(event) }))
    );
    // Of an event that only one rule saw, and that it did nothing on, nothing is kept: the others may see it yet.
    const firings = isOneRule && matches.length === 0
      ? []
      : await this.storage.fire(matched.map(({ event }) => stored(event)), matches);
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

function notExecuted(actionResults: ActionResult[]) {
  return { executed: false, actionResults };
}

function notStored({ id, status }: Rule): string {
  return status === "active"
    ? `rule.not_saved: No active rule "${id}" is stored with this condition and these actions, so nothing was done. ` +
      "Save it, or use dryRun."
    : `rule.paused: The rule is ${status}, so nothing was done. Activate it, or use dryRun.`;
}

/** @throws {RuleError} `event.invalid` */
function checked(event: RuleEvent): RuleEvent {
  const isObject = typeof event === "object" && event !== null && !Array.isArray(event);
  if (!isObject) throw new RuleError("event.invalid", "An event is a JSON object.");
  const { eventId } = event;
  if (eventId === undefined || typeof eventId === "string" && EVENT_ID.test(eventId)) return event;
  throw new RuleError(
    "event.invalid",
    "The eventId must be a text of 1 to 200 characters, and not one of an audit entry.",
  );
}

function identified(event: RuleEvent): RuleEvent {
  return { ...checked(event), eventId: event.eventId ?? crypto.randomUUID() };
}

function stored(event: RuleEvent): StoredEvent {
  return { id: event.eventId as string, event };
}

function keyOf(ruleId: string, eventId: unknown): string {
  return JSON.stringify([ruleId, eventId]);
}
