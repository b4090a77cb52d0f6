import { ROUND_MS } from "../_shared/core/recovery/plan.ts";
import type { GrantRefresher } from "../_shared/grants/refresher.ts";
import type { Clock, Logger } from "../_shared/ports.ts";
import type { Adopt } from "./adopt.ts";
import type { HandleWork } from "./handle-work.ts";
import type { Recovery, RecoveryStore, WorkItem } from "./recovery-store.ts";

export interface ScanOptions {
  store: RecoveryStore;
  adopt: Adopt;
  handleWork: HandleWork;
  refresher: GrantRefresher;
  clock: Clock;
  logger: Logger;
}

/** What a scan did, as the API states it. */
export interface ScanAnswer {
  success: true;
  processed_count: number;
  resolved_count: number;
  pending_count: number;
  disabled_count: number;
  events: ScannedEvent[];
}

interface ScannedEvent {
  event_id: string;
  service_name: string;
  category: string;
  action_taken: string;
  status: string;
}

/** After this time, in milliseconds, a scan claims nothing more. */
const SCAN_MS = 40_000;
/** Most recoveries that run at the same time; per provider the database permits fewer. */
const MAX_CONCURRENT = 50;

/**
 * Sweeps up what is left to do: failed calls that nobody reported, recoveries that are due (also those whose worker
 * died), and tokens that are about to expire. What does not fit into one scan is left to the next.
 *
 * @throws {DatabaseError} when nothing can be claimed; what was done until then is stored
 */
export function createScan(options: ScanOptions) {
  const { store, adopt, clock } = options;
  return async (limit: number, windowMinutes: number): Promise<ScanAnswer> => {
    const until = clock.now() + SCAN_MS;
    const events = new Map<string, ScannedEvent>();
    const missed = await store.missed(windowMinutes, limit);
    await Promise.all(missed.map(async (failure) => {
      const adopted = await adopt(failure);
      if (adopted) events.set(failure.event_id, toEvent(failure.service_name, adopted));
    }));
    await Promise.all([recoverDue(options, limit, until, events), refreshExpiring(options, limit, until)]);
    return summarise([...events.values()]);
  };
}

async function recoverDue(
  options: ScanOptions,
  limit: number,
  until: number,
  events: Map<string, ScannedEvent>,
): Promise<void> {
  const { store, clock } = options;
  for (let left = limit; left > 0 && clock.now() < until;) {
    const claimed = await store.claim(Math.min(left, MAX_CONCURRENT));
    if (claimed.length === 0) return;
    left -= claimed.length;
    await Promise.all(claimed.map((work) => recoverOne(options, work, events)));
  }
}

async function recoverOne(
  { handleWork, clock, logger }: ScanOptions,
  work: WorkItem,
  events: Map<string, ScannedEvent>,
): Promise<void> {
  const { event_id, service_name } = work;
  try {
    events.set(event_id, toEvent(service_name, await handleWork(work, 0, clock.now() + ROUND_MS)));
  } catch (error) {
    // Its lease runs out, and the next scan takes it over.
    logger.error("scan.result_not_stored", { recovery_id: work.recovery_id, error });
  }
}

async function refreshExpiring(
  { store, refresher, logger }: ScanOptions,
  limit: number,
  until: number,
): Promise<void> {
  const grants = await store.expiringGrants(Math.min(limit, MAX_CONCURRENT));
  await Promise.all(grants.map(async ({ service_name, user_id, token_version }) => {
    try {
      const token = await refresher.freshToken(service_name, user_id, token_version, until);
      if (token.kind === "fresh") return;
      logger.warn("scan.token_not_refreshed", { service_name, user_id, reason: token.message });
    } catch (error) {
      logger.error("scan.token_not_refreshed", { service_name, user_id, error });
    }
  }));
}

function toEvent(service_name: string, { event_id, category, action_taken, status }: Recovery): ScannedEvent {
  return { event_id, service_name, category, action_taken, status };
}

function summarise(events: ScannedEvent[]): ScanAnswer {
  const count = (status: string) => events.filter((event) => event.status === status).length;
  return {
    success: true,
    processed_count: events.length,
    resolved_count: count("resolved"),
    pending_count: count("pending"),
    disabled_count: count("disabled"),
    events,
  };
}
