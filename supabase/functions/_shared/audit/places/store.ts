import { formatCheckpoint, openCheckpoint } from "../../core/audit/checkpoint.ts";
import { signNote } from "../../core/audit/signed-note.ts";
import { InconsistentError } from "../inconsistent.ts";
import { originOf } from "../keys.ts";
import { newestCheckpoint } from "../newest-checkpoint.ts";
import type { Place, PublishDeps } from "../place.ts";
import { type LogState, proveGrowth } from "../prove-growth.ts";
import { readHead, readPublication, recordPublication } from "../publications.ts";

/**
 * Where checkpoints are signed and kept. What is stored here is the signer's memory: it signs only what contains the
 * newest checkpoint unchanged, whatever the database says about its past.
 */
export const store: Place = {
  name: "store",
  missing: ({ keys }) => keys.signer ? [] : ["AUDIT_SIGNING_KEY"],
  async publish(table, _attempts, deps) {
    const { database } = deps;
    // In this order, as the log and the store only grow meanwhile: what is recorded is stored, what is stored is sealed.
    const { published } = await readPublication(database, table, "store");
    const newest = await newestCheckpoint(table, deps);
    const head = await readHead(database, table);
    if (published && published.size > (newest?.size ?? 0)) {
      throw new InconsistentError(
        "checkpoint_lost",
        `A checkpoint of ${published.size} rows was published, and the store holds ` +
          (newest ? `none after the one of ${newest.size} rows.` : "none."),
      );
    }
    if (newest) await proveGrowth(table, newest, head, database);
    if (head.size === 0) return { outcome: "delivered" };

    const checkpoint = newest?.size === head.size ? newest : await signAndStore(table, head, deps);
    // A database that was replaced meanwhile by a copy knows of no lease: another worker may have signed for the copy.
    await proveGrowth(table, checkpoint, await readHead(database, table), database);
    await recordPublication(database, table, "store", checkpoint);
    return { outcome: "delivered" };
  },
};

async function signAndStore(table: string, { size, root }: LogState, { store, keys }: PublishDeps) {
  const origin = originOf(table, keys);
  const signed = await signNote(formatCheckpoint({ origin, size, root }), keys.signer!);
  const note = await store.put(table, size, signed);
  // Another worker may have been faster, with an older key.
  const stored = await openCheckpoint(note, origin, keys.verifiers);
  if (stored.size !== size || stored.root !== root) {
    throw new InconsistentError("rewritten", `The store holds another checkpoint of ${size} rows.`);
  }
  return { size, root, note };
}
