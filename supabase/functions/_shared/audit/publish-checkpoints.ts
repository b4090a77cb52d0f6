import { z } from "zod";
import { AuditError } from "../core/audit/audit-error.ts";
import { backoffSeconds } from "../core/notification/delivery.ts";
import { type Counts, deadlineOf, drainOutbox, type OutboxMessage, type Outcome } from "../outbox/drain.ts";
import { CheckpointStoreError, DatabaseError } from "../ports.ts";
import { InconsistentError, type RefusalKind } from "./inconsistent.ts";
import type { Place, PublishDeps } from "./place.ts";
import { places as allPlaces } from "./places.ts";

/** One checkpoint a lease: it takes up to ten calls of ten seconds. */
const LEASE_SECONDS = 120;
/** After a refusal people have to act; until then it is looked at again, and never signed. */
const AFTER_REFUSAL_SECONDS = 900;
const AFTER_ERROR_SECONDS = 300;

const payloadShape = z.object({ table_name: z.string() });

/** What a run did; `unconfigured` says which variables a place lacks: its messages wait, and none is given up. */
export interface PublishResult {
  /** True when nothing is left over that was due. */
  success: boolean;
  published_count: number;
  retry_count: number;
  held_count: number;
  unconfigured: { place: string; missing: string[] }[];
}

/**
 * Publishes the checkpoints that the outbox asks for, places one after another: what the store took, the others take in
 * the same run. No failure is final: the next proof spans the gap.
 *
 * @throws {DatabaseError}
 */
export async function publishCheckpoints(
  deps: PublishDeps,
  places: readonly Place[] = allPlaces,
): Promise<PublishResult> {
  const total: Counts = { delivered: 0, retry: 0, held: 0, dead: 0 };
  const unconfigured: PublishResult["unconfigured"] = [];
  const deadline = deadlineOf(deps.clock);
  for (const place of places) {
    const missing = place.missing(deps);
    if (missing.length > 0) {
      unconfigured.push({ place: place.name, missing });
      continue;
    }
    const drain = {
      channel: place.name,
      deliver: (message: OutboxMessage) => publishMessage(place, message, deps),
      batch: 1,
      leaseSeconds: LEASE_SECONDS,
    };
    const counts = await drainOutbox([drain], deps, deadline);
    for (const outcome of Object.keys(total) as (keyof Counts)[]) total[outcome] += counts[outcome];
  }
  return {
    success: total.retry + total.held === 0,
    published_count: total.delivered,
    retry_count: total.retry,
    held_count: total.held,
    unconfigured,
  };
}

/** Publishes one table's checkpoint. Whatever goes wrong with it makes only it wait, unless the place itself is down. */
async function publishMessage(place: Place, message: OutboxMessage, deps: PublishDeps): Promise<Outcome> {
  const payload = payloadShape.safeParse(message.payload);
  if (!payload.success) return held(`message.invalid: ${payload.error.message}`, AFTER_ERROR_SECONDS);
  const table = payload.data.table_name;
  try {
    return await place.publish(table, message.attempts, deps);
  } catch (error) {
    const { code = "internal", message: text } = error as Error & { code?: string };
    const kind = refusalKind(error);
    if (kind) {
      deps.logger.error("checkpoint.refused", { place: place.name, table, kind, code, reason: text });
      const refusal = { p_table: table, p_place: place.name, p_kind: kind, p_detail: text };
      await deps.database.rpc("refuse_publication", refusal);
      return held(`${code}: ${text}`, AFTER_REFUSAL_SECONDS);
    }
    const waiting = held(`${code}: ${text}`, AFTER_ERROR_SECONDS);
    if (!(error instanceof CheckpointStoreError)) return waiting;
    return { ...waiting, outcome: "retry", retry_after_seconds: backoffSeconds(message.attempts) };
  }
}

function held(error: string, retry_after_seconds: number) {
  return { outcome: "held" as const, error: error.slice(0, 500), retry_after_seconds };
}

function refusalKind(error: unknown): RefusalKind | null {
  if (error instanceof InconsistentError) return error.kind;
  // The database itself says that another root was published for the same size.
  if (error instanceof DatabaseError && error.code === "checkpoint.inconsistent") return "rewritten";
  const code = error instanceof CheckpointStoreError ? error.code : "";
  const isUnreadable = error instanceof AuditError || code === "checkpoint_store.unreadable";
  return isUnreadable ? "checkpoint_unreadable" : null;
}
