import { type ConsistencyProof, verifyConsistency } from "../core/audit/proof.ts";
import { type Database, DatabaseError } from "../ports.ts";
import { InconsistentError } from "./inconsistent.ts";

/** A state of a log: how many rows it has, and the root of their tree in base64. */
export interface LogState {
  size: number;
  root: string;
}

/**
 * Has the database prove that a log only grew from one state to another, and verifies the proof.
 *
 * @param older without a root only the database knows it, and the proof says no more than that
 * @returns the proof's hashes, in base64
 * @throws {InconsistentError} when the log does not contain the older state unchanged
 * @throws {DatabaseError}
 */
export async function proveGrowth(
  table: string,
  older: { size: number; root?: string },
  newer: LogState,
  database: Database,
): Promise<string[]> {
  if (newer.size < older.size) {
    throw new InconsistentError(
      "tail_cut",
      `${older.size} rows were published, and the log has only ${newer.size}.`,
    );
  }
  if (older.size === 0) return [];
  if (newer.size === older.size) {
    if (newer.root === (older.root ?? newer.root)) return [];
    throw new InconsistentError(
      "rewritten",
      `Of the ${older.size} rows that were published, some are not the same any more.`,
    );
  }
  const { oldRoot, proof } = await consistencyProof(table, older.size, newer.size, database);
  // The roots are those that are known from outside: what the database says of them proves nothing.
  const claim = {
    oldSize: older.size,
    oldRoot: older.root ?? oldRoot,
    newSize: newer.size,
    newRoot: newer.root,
    proof,
  };
  if (await verifyConsistency(claim)) return proof;
  throw new InconsistentError(
    "rewritten",
    `${older.size} rows were published, and they are not the first ones of the ${newer.size} rows of now.`,
  );
}

async function consistencyProof(table: string, oldSize: number, newSize: number, database: Database) {
  const args = { p_table: table, p_old_size: oldSize, p_new_size: newSize };
  try {
    return await database.rpc<ConsistencyProof>("audit_consistency_proof", args);
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== "audit.damaged") throw error;
    throw new InconsistentError("rewritten", error.message);
  }
}
