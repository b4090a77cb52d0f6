import { channels as allChannels } from "../_shared/core/notification/channels.ts";
import type { Channel } from "../_shared/core/notification/channel.ts";
import { type Attempt, type Delivery, judgeDelivery } from "../_shared/core/notification/delivery.ts";
import { composeMessage } from "../_shared/core/notification/message.ts";
import { type Clock, type Database, type Egress, EgressError, type Logger } from "../_shared/ports.ts";

/** Ten messages at five seconds each fit into the lease, so that no second worker sends them meanwhile. */
const LEASE_SECONDS = 60;
const BATCH = 10;
const SEND_TIMEOUT_MS = 5_000;

/** No batch is started later than this after the beginning; the platform ends a request after 150 s. */
const TIME_LIMIT_MS = 80_000;

export interface DispatchDeps {
  database: Database;
  egress: Egress;
  clock: Clock;
  logger: Logger;
  /** The incoming webhook's URL of each configured channel, by the channel's name. */
  urls: Record<string, string | undefined>;
  dashboardUrl: string | null;
}

/** What a run did; `unconfigured` names the channels without a URL, whose messages became dead letters. */
export interface DispatchResult {
  /** True when nothing is left over: neither a message to be sent again nor a dead letter. */
  success: boolean;
  delivered_count: number;
  retry_count: number;
  dead_count: number;
  unconfigured: string[];
}

interface OutboxMessage {
  id: number;
  kind: string;
  payload: unknown;
  attempts: number;
}

type Counts = Record<Delivery["outcome"], number>;

/**
 * Delivers what waits in the outbox, channels side by side, each in order and up to its first failure.
 *
 * A message is delivered at least once: a crash between the receiver's answer and the record of it, and an answer that
 * gets lost, send it again.
 *
 * @throws {DatabaseError}
 */
export async function dispatchOutbox(deps: DispatchDeps): Promise<DispatchResult> {
  const [configured, missing] = partition(allChannels, (channel) => Boolean(deps.urls[channel.name]));
  const unconfigured = missing.map((channel) => channel.name);
  const rejected = unconfigured.length > 0
    ? await deps.database.rpc<number>("reject_outbox", { p_channels: unconfigured })
    : 0;
  const deadline = deps.clock.now() + TIME_LIMIT_MS;
  const counts = await Promise.all(configured.map((channel) => drain(channel, deps, deadline)));
  const sum = (outcome: keyof Counts) => counts.reduce((total, count) => total + count[outcome], 0);
  const dead = sum("dead") + rejected;
  return {
    success: sum("retry") + dead === 0,
    delivered_count: sum("delivered"),
    retry_count: sum("retry"),
    dead_count: dead,
    unconfigured,
  };
}

/** Sends a channel's messages, batch by batch, until none is due, one failed or time is up. */
async function drain(channel: Channel, deps: DispatchDeps, deadline: number): Promise<Counts> {
  const counts: Counts = { delivered: 0, retry: 0, dead: 0 };
  while (deps.clock.now() < deadline && counts.retry === 0) {
    const [claim] = await deps.database.rpc<{ epoch: number; messages: OutboxMessage[] | null }[]>(
      "claim_outbox",
      { p_channels: [channel.name], p_limit: BATCH, p_lease_seconds: LEASE_SECONDS },
    );
    if (!claim) break;
    const results = await deliver(channel, claim.messages ?? [], deps);
    for (const { outcome } of results) counts[outcome]++;
    const accepted = await deps.database.rpc<boolean>("finish_outbox", {
      p_channel: channel.name,
      p_epoch: claim.epoch,
      p_results: results,
    });
    if (!accepted) {
      deps.logger.warn("dispatch.lease_lost", { channel: channel.name, messages: results.length });
      break;
    }
  }
  return counts;
}

/** Sends messages in order; ends with the first that must be sent again, so that none overtakes it. */
async function deliver(
  channel: Channel,
  messages: OutboxMessage[],
  deps: DispatchDeps,
): Promise<({ id: number } & Delivery)[]> {
  const results: ({ id: number } & Delivery)[] = [];
  for (const message of messages) {
    const delivery = await deliverOne(channel, message, deps);
    results.push({ id: message.id, ...delivery });
    if (delivery.outcome !== "delivered") {
      deps.logger.warn("dispatch.not_delivered", {
        channel: channel.name,
        message_id: message.id,
        ...delivery,
      });
    }
    if (delivery.outcome === "retry") break;
  }
  return results;
}

async function deliverOne(
  channel: Channel,
  { kind, payload, attempts }: OutboxMessage,
  { egress, clock, urls, dashboardUrl }: DispatchDeps,
): Promise<Delivery> {
  let body: string;
  try {
    body = channel.render(composeMessage(kind, payload, dashboardUrl));
  } catch (error) {
    return { outcome: "dead", error: `message.invalid: ${(error as Error).message.slice(0, 300)}` };
  }
  const attempt = await send(egress, urls[channel.name]!, body);
  return judgeDelivery(attempt, channel.accepts, attempts, new Date(clock.now()));
}

async function send(egress: Egress, url: string, body: string): Promise<Attempt> {
  try {
    return await egress.send({
      url,
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      timeoutMs: SEND_TIMEOUT_MS,
      maxResponseBytes: 64 * 1024,
    });
  } catch (error) {
    if (error instanceof EgressError) return { failed: error.code };
    throw error;
  }
}

function partition<Item>(items: readonly Item[], belongs: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(belongs), items.filter((item) => !belongs(item))];
}
