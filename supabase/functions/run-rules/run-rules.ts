import { deadlineOf } from "../_shared/outbox/drain.ts";
import type { Clock, Logger } from "../_shared/ports.ts";
import type { RuleEngine } from "../_shared/rules/engine.ts";
import type { RuleStorage } from "../_shared/rules/storage.ts";

/**
 * Batches grow from the first one to the greatest: what matches so much that a great batch cannot be recorded in time is
 * evaluated all the same, by the small batches of the following runs.
 */
const FIRST_BATCH = 16;
const BATCH = 512;
/** Matching a batch takes milliseconds; the rest is for a slow database. */
const LEASE_SECONDS = 60;
/** So that actions get their turn, too, when events come faster than they are evaluated. */
const EVENTS_TIME_LIMIT_MS = 40_000;

export interface RunRulesDeps {
  engine: Pick<RuleEngine, "reload" | "match" | "runActions" | "unusableRules">;
  storage: Pick<RuleStorage, "claimEvents" | "finishEvents">;
  clock: Clock;
  logger: Logger;
}

/** What a run did. */
export interface RunRulesResult {
  events: number;
  matches: number;
  /** Action runs that ended, and those that are tried again later. */
  actions_done: number;
  actions_held: number;
  /** Rules that are stored as active and cannot be evaluated. */
  unusable_rules: string[];
}

/**
 * Evaluates the events that nobody evaluated yet, in batches, and runs the actions that are due. Each event is evaluated
 * exactly once: what a batch did is recorded in one transaction, and refused when its lease was lost.
 *
 * @throws {DatabaseError}
 */
export async function runRules(deps: RunRulesDeps): Promise<RunRulesResult> {
  const { engine, clock } = deps;
  const deadline = deadlineOf(clock);
  const done = { events: 0, matches: 0 };
  let counts;
  try {
    await evaluateEvents(deps, done);
  } finally {
    // What was queued before is done, whatever is wrong with the events.
    counts = await engine.runActions(deadline);
  }
  return {
    ...done,
    ...{ actions_done: counts.delivered + counts.dead, actions_held: counts.held },
    unusable_rules: engine.unusableRules().map(({ ruleId }) => ruleId),
  };
}

/** @param done counts what is recorded */
async function evaluateEvents(
  { engine, storage, clock, logger }: RunRulesDeps,
  done: Pick<RunRulesResult, "events" | "matches">,
): Promise<void> {
  const end = clock.now() + EVENTS_TIME_LIMIT_MS;
  for (let limit = FIRST_BATCH; clock.now() < end; limit = Math.min(limit * 2, BATCH)) {
    const claim = await storage.claimEvents(limit, LEASE_SECONDS);
    if (!claim) return;
    // After the claim, so that no event meets rules that are older than itself.
    await engine.reload();
    const matches = claim.events.flatMap((event) =>
      engine.match(event.event).map((rule) => ({ rule, event }))
    );
    const accepted = await storage.finishEvents(claim.epoch, claim.events.map(({ id }) => id), matches);
    if (!accepted) return logger.warn("events.lease_lost", { events: claim.events.length });
    done.events += claim.events.length;
    done.matches += matches.length;
  }
}
