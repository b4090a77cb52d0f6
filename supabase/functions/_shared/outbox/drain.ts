import type { Delivery } from "../core/notification/delivery.ts";
import type { Clock, Database, Logger } from "../ports.ts";

/** No batch is started later than this after the beginning; the platform ends a request after 150 s. */
const TIME_LIMIT_MS = 80_000;

/** A message as `claim_outbox` hands it over; `attempts` is how often it was tried before. */
export interface OutboxMessage {
  id: number;
  kind: string;
  payload: unknown;
  attempts: number;
}

/**
 * What becomes of a message, as `finish_outbox` takes it. After `retry` the whole channel pauses, so that nothing
 * overtakes the message; `held` makes only this one wait.
 */
type Reported = Delivery | { outcome: "held"; error: string; retry_after_seconds: number };

/** `postponed` was not tried: the message stays as it is, no attempt is counted, and this drain claims no more. */
export type Outcome = Reported | { outcome: "postponed"; error: string };

type Result = { id: number } & Outcome;

/** How many messages ended in which way; what was postponed is held, too. */
export type Counts = Record<Reported["outcome"], number>;

export interface DrainDeps {
  database: Database;
  clock: Clock;
  logger: Logger;
}

/** One channel and the way to deliver to it. */
export interface Drain {
  /** As in table `notification_channels`. */
  channel: string;
  /** Resolves to what became of the message; a rejection leaves it, and those behind it, to whoever claims next. */
  deliver(message: OutboxMessage): Promise<Outcome>;
  /** So many messages must be delivered within the lease, so that no second worker takes them meanwhile. */
  batch: number;
  leaseSeconds: number;
  /** A batch's messages are delivered side by side, as their order says nothing; one after another unless given. */
  concurrent?: boolean;
}

/**
 * Delivers what waits for the given channels, channels side by side, each up to its first `retry` or `postponed`.
 *
 * A message is delivered at least once: a worker that dies before its report is recorded leaves it to the next one, and
 * a report that comes after the lease was lost is refused.
 *
 * @param deadline no batch is started later; {@link deadlineOf} this moment unless given
 * @throws {DatabaseError}
 */
export async function drainOutbox(
  drains: Drain[],
  deps: DrainDeps,
  deadline: number = deadlineOf(deps.clock),
): Promise<Counts> {
  const total: Counts = { delivered: 0, retry: 0, held: 0, dead: 0 };
  for (const counts of await Promise.all(drains.map((drain) => drainChannel(drain, deps, deadline)))) {
    for (const outcome of Object.keys(total) as (keyof Counts)[]) total[outcome] += counts[outcome];
  }
  return total;
}

/** When a run that begins now starts no batch any more. */
export function deadlineOf(clock: Clock): number {
  return clock.now() + TIME_LIMIT_MS;
}

/** Delivers a channel's messages, batch by batch, until none is due, one must be repeated or time is up. */
async function drainChannel(drain: Drain, deps: DrainDeps, deadline: number): Promise<Counts> {
  const counts: Counts = { delivered: 0, retry: 0, held: 0, dead: 0 };
  let goesOn = true;
  while (deps.clock.now() < deadline && goesOn) {
    const [claim] = await deps.database.rpc<{ epoch: number; messages: OutboxMessage[] | null }[]>(
      "claim_outbox",
      { p_channels: [drain.channel], p_limit: drain.batch, p_lease_seconds: drain.leaseSeconds },
    );
    if (!claim) break;
    const messages = claim.messages ?? [];
    const results = drain.concurrent
      ? await Promise.all(messages.map((message) => deliverOne(drain, message, deps.logger)))
      : await deliverInOrder(drain, messages, deps.logger);
    for (const { outcome } of results) counts[outcome === "postponed" ? "held" : outcome]++;
    goesOn = !results.some(endsDrain);
    const accepted = await deps.database.rpc<boolean>("finish_outbox", {
      p_channel: drain.channel,
      p_epoch: claim.epoch,
      p_results: results.filter(({ outcome }) => outcome !== "postponed"),
    });
    if (!accepted) {
      deps.logger.warn("outbox.lease_lost", { channel: drain.channel, messages: results.length });
      break;
    }
  }
  return counts;
}

/** Ends with the first message that is left to a later drain, so that none overtakes it. */
async function deliverInOrder(drain: Drain, messages: OutboxMessage[], logger: Logger): Promise<Result[]> {
  const results: Result[] = [];
  for (const message of messages) {
    const result = await deliverOne(drain, message, logger);
    results.push(result);
    if (endsDrain(result)) break;
  }
  return results;
}

function endsDrain({ outcome }: Result): boolean {
  return outcome === "retry" || outcome === "postponed";
}

async function deliverOne(
  { channel, deliver }: Drain,
  message: OutboxMessage,
  logger: Logger,
): Promise<Result> {
  const outcome = await deliver(message);
  if (outcome.outcome !== "delivered") {
    logger.warn("outbox.not_delivered", { channel, message_id: message.id, ...outcome });
  }
  return { id: message.id, ...outcome };
}
