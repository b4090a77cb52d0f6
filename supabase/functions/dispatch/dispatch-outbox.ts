import { channels as allChannels } from "../_shared/core/notification/channels.ts";
import type { Channel } from "../_shared/core/notification/channel.ts";
import { type Attempt, type Delivery, judgeDelivery } from "../_shared/core/notification/delivery.ts";
import { composeMessage } from "../_shared/core/notification/messages.ts";
import { type DrainDeps, drainOutbox, type OutboxMessage } from "../_shared/outbox/drain.ts";
import { type Egress, EgressError } from "../_shared/ports.ts";

/** Ten messages at five seconds each fit into the lease, so that no second worker sends them meanwhile. */
const LEASE_SECONDS = 60;
const BATCH = 10;
const SEND_TIMEOUT_MS = 5_000;

export interface DispatchDeps extends DrainDeps {
  egress: Egress;
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

/**
 * Tells people what waits in the outbox.
 *
 * A message is sent at least once: a crash between the receiver's answer and the record of it, and an answer that gets
 * lost, send it again.
 *
 * @throws {DatabaseError}
 */
export async function dispatchOutbox(deps: DispatchDeps): Promise<DispatchResult> {
  const [configured, missing] = partition(allChannels, (channel) => Boolean(deps.urls[channel.name]));
  const unconfigured = missing.map((channel) => channel.name);
  const rejected = unconfigured.length > 0
    ? await deps.database.rpc<number>("reject_outbox", { p_channels: unconfigured })
    : 0;
  const counts = await drainOutbox(
    configured.map((channel) => ({
      channel: channel.name,
      deliver: (message) => deliverOne(channel, message, deps),
      batch: BATCH,
      leaseSeconds: LEASE_SECONDS,
    })),
    deps,
  );
  const dead = counts.dead + rejected;
  return {
    success: counts.retry + dead === 0,
    delivered_count: counts.delivered,
    retry_count: counts.retry,
    dead_count: dead,
    unconfigured,
  };
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
