import { z } from "zod";
import { AuditError } from "../core/audit/audit-error.ts";
import { backoffSeconds } from "../core/notification/delivery.ts";
import { type Counts, drainOutbox, type OutboxMessage, type Outcome } from "../outbox/drain.ts";
import { CheckpointStoreError, DatabaseError } from "../ports.ts";
import { InconsistentError, type RefusalKind } from "./inconsistent.ts";
import type { Place, PublishDeps } from "./place.ts";
import { places as allPlaces } from "./places.ts";

/** One checkpoint a lease: it takes up to nine calls of ten seconds. */
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
  for (const place of places) {
    const missing = place.missing(deps);
    if (missing.length > 0) {
      unconfigured.push({ place: place.name, missing });
      continue;
    }
    const counts = await drainOutbox([{
      channel: place.name,
      deliver: (message) => publishMessage(place, message, deps),
      batch: 1,
      leaseSeconds: LEASE_SECONDS,
    }], deps);
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
  const { table_name: table } = payloadShape.parse(message.payload);
  try {
    return await place.publish(table, message.attempts, deps);
  } catch (error) {
    const { code = "internal", message: text } = error as Error & { code?: string };
    const wait = { error: `${code}: ${text}`.slice(0, 500) };
    if (error instanceof CheckpointStoreError) {
      return { ...wait, outcome: "retry", retry_after_seconds: backoffSeconds(message.attempts) };
    }
    const kind = refusalKind(error);
    if (!kind) return { ...wait, outcome: "held", retry_after_seconds: AFTER_ERROR_SECONDS };
    deps.logger.error("checkpoint.refused", { place: place.name, table, kind, code, reason: text });
    await deps.database.rpc("refuse_publication", {
      p_table: table,
      p_place: place.name,
      p_kind: kind,
      p_detail: text,
    });
    return { ...wait, outcome: "held", retry_after_seconds: AFTER_REFUSAL_SECONDS };
  }
}

function refusalKind(error: unknown): RefusalKind | null {
  if (error instanceof InconsistentError) return error.kind;
  // The database itself says that another root was published for the same size.
  if (error instanceof DatabaseError && error.code === "checkpoint.inconsistent") return "rewritten";
  return error instanceof AuditError ? "checkpoint_unreadable" : null;
}
