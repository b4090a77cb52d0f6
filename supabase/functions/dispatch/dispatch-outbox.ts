import { channels } from "../_shared/core/notification/channels.ts";
import { type Attempt, type Delivery, judgeDelivery } from "../_shared/core/notification/delivery.ts";
import { composeMessage } from "../_shared/core/notification/messages.ts";
import { composePage, judgePage } from "../_shared/core/notification/page.ts";
import { type DrainDeps, drainOutbox, type OutboxMessage } from "../_shared/outbox/drain.ts";
import { type Egress, EgressError } from "../_shared/ports.ts";

/** Ten messages at five seconds each fit into the lease, so that no second worker sends them meanwhile. */
const LEASE_SECONDS = 60;
const BATCH = 10;
const SEND_TIMEOUT_MS = 5_000;

/** As in table `notification_channels`. */
const PAGER = "pagerduty";

export interface DispatchDeps extends DrainDeps {
  egress: Egress;
  /** The incoming webhook's URL of each configured channel, by the channel's name. */
  urls: Record<string, string | undefined>;
  /** PagerDuty's endpoint and the key that says whom it wakes, or null: nobody is paged. */
  pager: { url: string; routingKey: string } | null;
  /** Keeps the pages of this project apart from those of others. */
  projectHost: string;
  dashboardUrl: string | null;
}

/** What a run did; `unconfigured` names the channels without a URL or key, whose messages became dead letters. */
export interface DispatchResult {
  /** True when nothing is left over: neither a message to be sent again nor a dead letter. */
  success: boolean;
  delivered_count: number;
  retry_count: number;
  dead_count: number;
  unconfigured: string[];
}

/** A channel that is configured: where it posts what, and what an answer means. */
interface Destination {
  channel: string;
  url: string;
  render(message: OutboxMessage): string;
  judge(attempt: Attempt, earlierAttempts: number, now: Date): Delivery;
}

/**
 * Tells people, and pages whoever is on call, what waits in the outbox.
 *
 * A message is sent at least once: a crash between the receiver's answer and the record of it, and an answer that gets
 * lost, send it again.
 *
 * @throws {DatabaseError}
 */
export async function dispatchOutbox(deps: DispatchDeps): Promise<DispatchResult> {
  const configured = destinations(deps);
  const unconfigured = [...channels.map((channel) => channel.name), PAGER].filter((name) =>
    !configured.some(({ channel }) => channel === name)
  );
  const rejected = unconfigured.length > 0
    ? await deps.database.rpc<number>("reject_outbox", { p_channels: unconfigured })
    : 0;
  const counts = await drainOutbox(
    configured.map((destination) => ({
      channel: destination.channel,
      deliver: (message) => deliverOne(destination, message, deps),
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

function destinations({ urls, pager, projectHost, dashboardUrl }: DispatchDeps): Destination[] {
  const found: Destination[] = [];
  for (const channel of channels) {
    const url = urls[channel.name];
    if (!url) continue;
    found.push({
      channel: channel.name,
      url,
      render: ({ kind, payload }) => channel.render(composeMessage(kind, payload, dashboardUrl)),
      judge: (attempt, earlier, now) => judgeDelivery(attempt, channel.accepts, earlier, now),
    });
  }
  if (pager) {
    found.push({
      channel: PAGER,
      url: pager.url,
      render: ({ payload }) => composePage(payload, { ...pager, source: projectHost, dashboardUrl }),
      judge: (attempt, earlier, now) => judgePage(attempt, pager.routingKey, earlier, now),
    });
  }
  return found;
}

async function deliverOne(
  { url, render, judge }: Destination,
  message: OutboxMessage,
  { egress, clock }: DispatchDeps,
): Promise<Delivery> {
  let body: string;
  try {
    body = render(message);
  } catch (error) {
    return { outcome: "dead", error: `message.invalid: ${(error as Error).message.slice(0, 300)}` };
  }
  return judge(await send(egress, url, body), message.attempts, new Date(clock.now()));
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
