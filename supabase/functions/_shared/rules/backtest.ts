import {
  type ConflictWarning,
  createConflictWatch,
  type RenderedAction,
  targetOf,
} from "../core/rules/conflicts.ts";
import { createFiringGate, type Suppression } from "../core/rules/firing-gate.ts";
import type { RuleEvent } from "../core/rules/rule.ts";
import type { Clock } from "../ports.ts";
import type { CheckDeps } from "./action.ts";
import { compileUsable } from "./live-rules.ts";
import { renderAction } from "./render-action.ts";
import { type ActionResult, simulateActions } from "./results.ts";
import { actionsOf, type Rule } from "./rule-schema.ts";
import type { RuleStorage } from "./storage.ts";

const DAY_MS = 86_400_000;
const MAX_EVENTS = 200_000;
const TIME_LIMIT_MS = 20_000;
const PAGE = 500;
const MAX_SAMPLES = 10;

/** What a rule would have done. Cooldown and hourly limit go by the events' times. */
export interface BacktestReport {
  ruleId: string;
  /** The period that was looked at, as ISO 8601 instants. */
  from: string;
  to: string;
  /** True when the period holds more events than were looked at: the newest ones are missing. */
  truncated: boolean;
  events: number;
  matched: number;
  wouldFire: number;
  suppressed: Record<Suppression, number>;
  /** The first firings, with what the actions would do. */
  samples: { eventId: string; createdAt: string; actionResults: ActionResult[] }[];
  /** Other active rules that it would not get along with. */
  warnings: ConflictWarning[];
}

export interface BacktestDeps extends CheckDeps {
  storage: Pick<RuleStorage, "load" | "readEvents">;
  clock: Clock;
}

/**
 * Runs a rule, as if it were active, against the stored events of the last days, beside the other active rules: at most
 * 200,000 events and 20 s.
 *
 * @param rule stored or not; it takes the place of the stored one with the same id
 * @param days 1 to 90
 * @throws {DatabaseError}
 */
export async function backtest(rule: Rule, days: number, deps: BacktestDeps): Promise<BacktestReport> {
  const now = deps.clock.now();
  const { rules = [] } = await deps.storage.load(null) as { rules: Rule[] };
  const others = rules.filter(({ id }) => id !== rule.id);
  const trial = createTrial(rule, others, deps);
  const from = new Date(now - days * DAY_MS);
  let after: unknown = null;
  let last = from.toISOString();
  do {
    const page = await deps.storage.readEvents(from, after, PAGE);
    for (const { id, createdAt, event } of page.events) trial.see(id, last = createdAt, event);
    after = page.next;
  } while (after !== null && trial.report.events < MAX_EVENTS && deps.clock.now() < now + TIME_LIMIT_MS);
  const truncated = after !== null;
  return {
    ruleId: rule.id,
    from: from.toISOString(),
    to: truncated ? last : new Date(now).toISOString(),
    ...{ truncated, ...trial.report, warnings: trial.warnings() },
  };
}

function createTrial(tested: Rule, others: Rule[], deps: CheckDeps) {
  const candidate: Rule = { ...tested, status: "active" };
  const { set } = compileUsable([...others, candidate]);
  const rivals = others.filter((other) => shareTarget(other, candidate));
  const gates = new Map([...rivals, candidate].map((rule) => [rule, createFiringGate(rule)]));
  const watch = createConflictWatch(candidate.id);
  const report = {
    ...{ events: 0, matched: 0, wouldFire: 0, suppressed: { cooldown: 0, limit: 0 } },
    samples: [] as BacktestReport["samples"],
  };
  return {
    report,
    warnings: watch.warnings,
    see(id: string, createdAt: string, event: RuleEvent) {
      const at = Date.parse(createdAt);
      report.events++;
      const matching = set.match(event).filter((rule) => gates.has(rule));
      const verdicts = matching.map((rule) => ({ rule, verdict: gates.get(rule)!(at) }));
      const fires = verdicts.flatMap(({ rule, verdict }) => verdict === "fires" ? [rule] : []);
      const own = verdicts.find(({ rule }) => rule === candidate)?.verdict;
      if (own) report.matched++;
      if (own === "fires") {
        report.wouldFire++;
        if (report.samples.length < MAX_SAMPLES) {
          report.samples.push({
            ...{ eventId: id, createdAt },
            actionResults: simulateActions(candidate, event, deps),
          });
        }
      } else if (own) report.suppressed[own]++;
      if (rivals.length > 0 && fires.length > 0) {
        watch.see({ id, at }, fires.map((rule) => ({ ruleId: rule.id, actions: rendered(rule, event) })));
      }
    },
  };
}

function shareTarget(left: Rule, right: Rule): boolean {
  // Which event of the ledger it is about may depend on the event.
  const place = (action: RenderedAction) =>
    action.type === "ledger_allocate" ? action.type : targetOf(action);
  const places = new Set(actionsOf(left).map(place));
  return actionsOf(right).some((action) => place(action) !== undefined && places.has(place(action)));
}

/** What a rule's actions are on an event; one that cannot be rendered would not be run either. */
function rendered(rule: Rule, event: RuleEvent): RenderedAction[] {
  return actionsOf(rule).flatMap((action) => {
    try {
      return [renderAction(action, event)];
    } catch {
      return [];
    }
  });
}
