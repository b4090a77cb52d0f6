import { AuditError } from "../core/audit/audit-error.ts";
import { type Checkpoint, openCheckpoint } from "../core/audit/checkpoint.ts";
import type { CheckpointStore } from "../ports.ts";
import { type AuditKeys, originOf } from "./keys.ts";

/** A checkpoint whose signature was verified, and its note as it is stored. */
export interface SignedCheckpoint extends Checkpoint {
  note: string;
}

/**
 * The newest checkpoint of a table in the store, or null when it has none.
 *
 * @throws {CheckpointStoreError}
 * @throws {AuditError} `audit.checkpoint_invalid`, `audit.checkpoint_foreign` or `audit.signature_invalid`: what is
 *   stored is broken, another log's, or not signed by a key of this project
 */
export async function newestCheckpoint(
  table: string,
  { store, keys }: { store: CheckpointStore; keys: AuditKeys },
): Promise<SignedCheckpoint | null> {
  const stored = await store.latest(table);
  if (!stored) return null;
  const checkpoint = await openCheckpoint(stored.note, originOf(table, keys), keys.verifiers);
  if (checkpoint.size !== stored.size) {
    throw new AuditError(
      "audit.checkpoint_invalid",
      `The checkpoint that is stored as the one of ${stored.size} rows says ${checkpoint.size}.`,
    );
  }
  return { ...checkpoint, note: stored.note };
}
