import { z } from "zod";
import { createBackground } from "../adapters/background.ts";
import { createBatcher } from "../adapters/batcher.ts";
import { isRefusedInput } from "../adapters/database.ts";
import { backoffSeconds, MAX_ATTEMPTS } from "../core/notification/delivery.ts";
import { type Counts, drainOutbox, type OutboxMessage, type Outcome } from "../outbox/drain.ts";
import type { ActionDeps, ActionOutcome } from "./action.ts";
import { actions } from "./actions.ts";
import { attempt } from "./attempt.ts";
import { errorText, shortText } from "./error-text.ts";
import type { ActionRun, EndedRun, RuleStorage } from "./storage.ts";

/** Longer than a batch takes: an anchor asks its node for less than a minute, and any other action is quicker. */
const LEASE_SECONDS = 120;
const BATCH = 20;
const ANCHOR_BATCH = 2;
/** How often it is looked whether another worker has done a run. */
const POLL_MS = 200;

const payloadShape = z.object({ run_id: z.uuid() });

/** What is known of a run after waiting for it. */
export type KnownRun = Pick<ActionRun, "id" | "type" | "state" | "result" | "error">;

/** Runs what firings queued. */
export interface ActionRuns {
  /** Runs what is due until nothing is, or until the deadline; every type unless some are named. */
  drain(deadline?: number, types?: readonly string[]): Promise<Counts>;
  /**
   * Runs what is due of these types, and waits for these runs: until each of them has ended or is to be tried again, at
   * most for `patienceMs`. What is not done by then goes on in the background. A run of which nothing is known, as when
   * the database does not answer, is left out: that it was queued stays true.
   */
  resultsOf(ids: string[], types: readonly string[], patienceMs: number): Promise<Map<string, KnownRun>>;
}

export function createActionRuns(storage: RuleStorage, deps: ActionDeps): ActionRuns {
  const { clock, logger } = deps;
  const background = createBackground({ logger });
  /** Who waits for runs in this process; told of every run that was tried, and why when it is to be tried again. */
  const watchers = new Set<(run: KnownRun) => void>();
  const tell = (run: KnownRun) => watchers.forEach((see) => see(run));
  // The messages of a batch are delivered side by side and share their round trips.
  const batching = { maxBatch: BATCH, isRefusedInput };
  const read = createBatcher(async (ids: string[]) => {
    const runs = new Map((await storage.readRuns(ids)).map((run) => [run.id, run]));
    return ids.map((id) => runs.get(id));
  }, batching);
  const finish = createBatcher(async (ended: EndedRun[]) => {
    await storage.finishRuns(ended);
    return ended;
  }, batching);

  async function deliver(message: OutboxMessage): Promise<Outcome> {
    try {
      const { run_id } = payloadShape.parse(message.payload);
      const run = await read(run_id);
      if (!run) return { outcome: "dead", error: `action.unknown_run: There is no run ${run_id} any more.` };
      if (run.state !== "queued") {
        tell(run);
        return { outcome: "delivered" };
      }
      const outcome = await attempt(run, message.attempts, storage, deps);
      if (outcome.state === "stopped") {
        tell({ ...run, error: shortText(outcome.error) });
        return { outcome: "postponed", error: shortText(outcome.error) };
      }
      if (outcome.state === "retry" && message.attempts + 1 < MAX_ATTEMPTS) {
        tell({ ...run, error: shortText(outcome.error) });
        return held(outcome.error, message.attempts, outcome.retryAfterSeconds);
      }
      tell({ ...run, ...await finish({ id: run.id, ...ended(outcome) }) });
      return { outcome: "delivered" };
    } catch (error) {
      // Nothing is known to be done, so that it stays queued; the others of its batch are not held up.
      return held(errorText(error), message.attempts);
    }
  }

  async function drain(deadline?: number, types: readonly string[] = actions.map(({ type }) => type)) {
    const drains = types.map((channel) => {
      // An account's transactions are numbered: two that are begun at once would have the same number.
      const isSerial = channel === "anchor" && deps.anchor !== undefined;
      return {
        ...{ channel, deliver, leaseSeconds: LEASE_SECONDS },
        ...{ concurrent: !isSerial, batch: isSerial ? ANCHOR_BATCH : BATCH },
      };
    });
    return await drainOutbox(drains, { database: deps.database, clock, logger }, deadline);
  }

  async function resultsOf(ids: string[], types: readonly string[], patienceMs: number) {
    const deadline = clock.now() + patienceMs;
    const known = new Map<string, KnownRun>();
    const open = new Set(ids);
    const { promise: allTried, resolve } = Promise.withResolvers<void>();
    const see = ({ id, type, state, result, error }: KnownRun) => {
      if (!open.has(id)) return;
      known.set(id, { id, type, state, result, error });
      if (state !== "queued" || error !== null) open.delete(id);
      if (open.size === 0) resolve();
    };
    watchers.add(see);
    const patience = new AbortController();
    const sleep = (ms: number) => clock.sleep(ms, patience.signal).catch(() => {});
    try {
      while (open.size > 0) {
        const draining = drain(undefined, types);
        background(draining);
        await Promise.race([draining.catch(() => {}), allTried, sleep(deadline - clock.now())]);
        await readOthers(open, see);
        // What was not claimed in safe mode will not be, however long it is waited for.
        if (open.size > 0 && (clock.now() >= deadline || await deps.mode.isSafe())) break;
        await Promise.race([allTried, sleep(POLL_MS)]);
      }
    } catch (error) {
      logger.warn("action_runs.unreadable", { error });
    } finally {
      patience.abort();
      watchers.delete(see);
    }
    return known;
  }

  /** Looks what other workers did, who begin with the first: few at a time, as each run comes with its event. */
  async function readOthers(open: Set<string>, see: (run: KnownRun) => void): Promise<void> {
    const ids = [...open];
    for (let at = 0, left = Infinity; at < ids.length && open.size < left; at += BATCH) {
      left = open.size;
      (await storage.readRuns(ids.slice(at, at + BATCH))).forEach(see);
    }
  }

  return { drain, resultsOf };
}

function ended(outcome: ActionOutcome) {
  if (outcome.state === "succeeded") return { state: outcome.state, result: outcome.result };
  const error = outcome.state === "retry" ? `action.given_up: ${outcome.error}` : outcome.error;
  return { state: "failed" as const, error: shortText(error) };
}

/** The receiver's wish can make a pause longer, not shorter: so the last of ten tries is more than an hour after the first. */
function held(error: string, attempts: number, askedSeconds = 0): Outcome {
  const retry_after_seconds = Math.max(askedSeconds, backoffSeconds(attempts));
  return { outcome: "held", error: shortText(error), retry_after_seconds };
}
