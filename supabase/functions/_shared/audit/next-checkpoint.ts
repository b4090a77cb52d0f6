import type { Outcome } from "../outbox/drain.ts";
import { newestCheckpoint, type SignedCheckpoint } from "./newest-checkpoint.ts";
import type { PublishDeps } from "./place.ts";
import { type Publication, readHead } from "./publications.ts";

/** The store is asked for its newest checkpoint again after a minute, as often as it may have one. */
const UNTIL_STORED_SECONDS = 60;

/**
 * The newest checkpoint in the store, for a place that took an older one; or what becomes of the message when the place
 * has nothing to take.
 */
export async function nextCheckpoint(
  table: string,
  published: Publication | null,
  deps: PublishDeps,
): Promise<SignedCheckpoint | Outcome> {
  const known = published?.size ?? 0;
  const newest = await newestCheckpoint(table, deps);
  if (newest && newest.size > known) return newest;
  const head = await readHead(deps.database, table);
  const isKnown = head.size === known && head.root === (published?.root ?? head.root);
  if (isKnown) return { outcome: "delivered" };
  return { outcome: "held", error: "checkpoint.not_stored_yet", retry_after_seconds: UNTIL_STORED_SECONDS };
}
