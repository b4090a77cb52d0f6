import { createHash } from "node:crypto";
import { backoffSeconds } from "../../core/notification/delivery.ts";
import type { Outcome } from "../../outbox/drain.ts";
import { AnchorError, type PendingAnchor } from "../../ports.ts";
import { nextCheckpoint } from "../next-checkpoint.ts";
import type { Place, PublishDeps } from "../place.ts";
import { readPublication, recordPublication } from "../publications.ts";

/** The next turn looks again, a minute later at most. */
const UNTIL_MINED_SECONDS = 15;

/**
 * An Ethereum-like chain, on which the SHA-256 of the signed note is anchored: nobody can take it back or date it
 * earlier. A transaction is recorded before it is sent, so that no crash anchors a checkpoint twice.
 */
export const chain: Place = {
  name: "chain",
  missing: ({ keys, anchor }) => [
    ...(anchor ? [] : ["ANCHOR_RPC_URL", "ANCHOR_PRIVATE_KEY"]),
    ...(keys.verifiers.length > 0 ? [] : ["AUDIT_SIGNING_KEY"]),
  ],
  async publish(table, attempts, deps) {
    try {
      return await anchorNewest(table, deps);
    } catch (error) {
      // What was recorded for one table is that table's; anything else concerns the chain, and with it all tables.
      if (!(error instanceof AnchorError) || error.code === "anchor.pending_invalid") throw error;
      const text = `${error.code}: ${error.message}`.slice(0, 500);
      return { outcome: "retry", error: text, retry_after_seconds: backoffSeconds(attempts) };
    }
  },
};

/** What is anchored of a note. */
export function noteHash(note: string): string {
  return createHash("sha256").update(note).digest("hex");
}

/**
 * Goes on with the anchor that was begun for a table, or begins one for its newest checkpoint.
 *
 * @param waitMs how long to wait for the block; not at all unless given
 * @throws {AnchorError}
 */
export async function anchorNewest(table: string, deps: PublishDeps, waitMs = 0): Promise<Outcome> {
  const { published, begun } = await readChain(table, deps);
  if (!begun) {
    const next = await nextCheckpoint(table, published, deps);
    if ("outcome" in next) return next;
    await begin(table, next, deps);
  }
  // Read again: another worker may have been faster, and only what is recorded is sent.
  const open = begun ?? (await readChain(table, deps)).begun;
  return open ? await complete(table, open, deps, waitMs) : { outcome: "delivered" };
}

type Checkpoint = Parameters<typeof recordPublication>[3];

/** @param replaces the id of the recorded transaction, which will never be mined */
async function begin(
  table: string,
  checkpoint: Checkpoint,
  deps: PublishDeps,
  replaces?: string,
): Promise<void> {
  const anchor = await deps.anchor!();
  const pending = await anchor.begin(noteHash(checkpoint.note));
  await recordPublication(deps.database, table, "chain", checkpoint, { ...pending, replaces }, false);
}

async function complete(
  table: string,
  { reference, ...checkpoint }: Checkpoint & { reference: PendingAnchor },
  deps: PublishDeps,
  waitMs: number,
): Promise<Outcome> {
  const anchor = await deps.anchor!();
  const { state, ...details } = await anchor.complete(reference, waitMs);
  if ("blockNumber" in details) {
    await recordPublication(deps.database, table, "chain", checkpoint, details);
    return { outcome: "delivered" };
  }
  if (state !== "pending") await begin(table, checkpoint, deps, reference.transactionId);
  const error = `anchor.${state}: ${details.reason}`.slice(0, 500);
  return { outcome: "held", error, retry_after_seconds: UNTIL_MINED_SECONDS };
}

/** The newest checkpoint on the chain, and the one that is on its way there. */
async function readChain(table: string, { database }: PublishDeps) {
  const { published, begun } = await readPublication(database, table, "chain");
  // Of two that were begun at once, the smaller one is of no use any more when the greater one is there.
  if (!begun || begun.size <= (published?.size ?? 0)) return { published, begun: null };
  const { size, root, note, reference } = begun;
  return { published, begun: { size, root, note: note!, reference: reference as unknown as PendingAnchor } };
}
