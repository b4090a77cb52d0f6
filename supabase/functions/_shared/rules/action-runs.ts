import { z } from "zod";
import { createBackground } from "../adapters/background.ts";
import { createBatcher } from "../adapters/batcher.ts";
import { isRefusedInput } from "../adapters/database.ts";
import { backoffSeconds, MAX_ATTEMPTS } from "../core/notification/delivery.ts";
import { type Counts, drainOutbox, type OutboxMessage, type Outcome } from "../outbox/drain.ts";
import type { ActionDeps, ActionOutcome } from "./action.ts";
import { actionOf, actions } from "./actions.ts";
import { errorText, shortText } from "./error-text.ts";
import { renderAction } from "./render-action.ts";
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
   * most for `patienceMs`. What is not done by then goes on in the background.
   */
  resultsOf(ids: string[], types: readonly string[], patienceMs: number): Promise<Map<string, KnownRun>>;
}

export function createActionRuns(storage: RuleStorage, deps: ActionDeps): ActionRuns {
  const { clock, logger } = deps;
  const background = createBackground({ logger });
  /** Who waits for a run's next try in this process; told why when it is to be tried again. */
  const watchers = new Map<string, (heldBecause?: string) => void>();
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
      if (run.state === "queued") {
        const outcome = await attempt(run, message.attempts, storage, deps);
        if (outcome.state === "retry" && message.attempts + 1 < MAX_ATTEMPTS) {
          watchers.get(run.id)?.(outcome.error);
          return held(outcome.error, message.attempts, outcome.retryAfterSeconds);
        }
        await finish({ id: run.id, ...ended(outcome) });
      }
      watchers.get(run_id)?.();
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
    if (ids.length === 0) return new Map<string, KnownRun>();
    const deadline = clock.now() + patienceMs;
    const waiting = new Map(ids.map((id) => [id, undefined as string | undefined]));
    const { promise: allTried, resolve } = Promise.withResolvers<void>();
    const open = new Set(ids);
    for (const id of ids) {
      watchers.set(id, (because) => {
        waiting.set(id, because);
        open.delete(id);
        if (open.size === 0) resolve();
      });
    }
    const patience = new AbortController();
    const sleep = (ms: number) => clock.sleep(ms, patience.signal).catch(() => {});
    try {
      while (true) {
        const draining = drain(undefined, types);
        background(draining);
        await Promise.race([draining.catch(() => {}), allTried, sleep(deadline - clock.now())]);
        const runs = await storage.readRuns(ids);
        const known = runs.map((run) => ({ ...run, error: run.error ?? waiting.get(run.id) ?? null }));
        const undone = known.filter((run) => run.state === "queued" && run.error === null);
        if (undone.length === 0 || clock.now() >= deadline) {
          return new Map(known.map((run) => [run.id, run]));
        }
        await Promise.race([allTried, sleep(POLL_MS)]);
      }
    } finally {
      patience.abort();
      for (const id of ids) watchers.delete(id);
    }
  }

  return { drain, resultsOf };
}

/** One try of a run. Never rejects: what went wrong unexpectedly may go well the next time. */
async function attempt(
  run: ActionRun,
  attempts: number,
  storage: RuleStorage,
  deps: ActionDeps,
): Promise<ActionOutcome> {
  const action = actionOf(run.type);
  const definition = action?.schema.safeParse(run.action);
  if (!action || !definition?.success) {
    const why = definition?.error?.issues.map(({ path, message }) => [...path, message].join(" ")).join("; ");
    return {
      state: "failed",
      error: `action.invalid: ${why ?? `type ${run.type} is unknown`}. Mend the rule.`,
    };
  }
  const { event } = run;
  if (!event) {
    const error =
      `event.gone: Event "${run.eventId}" is not stored any more, and the action needs its values.`;
    return { state: "failed", error };
  }
  try {
    return await action.run(renderAction(definition.data, event), {
      run: { id: run.id, attempts, progress: run.progress },
      rule: run.rule,
      event,
      saveProgress: (progress, replaces) => storage.saveProgress(run.id, progress, replaces),
      deps,
    });
  } catch (error) {
    const state = (error as { code?: unknown }).code === "template.too_large" ? "failed" : "retry";
    return { state, error: errorText(error) };
  }
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
