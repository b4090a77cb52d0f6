import { ConfigError } from "../adapters/env.ts";
import { AuditError } from "../core/audit/audit-error.ts";
import { publishDeps } from "./deps.ts";
import type { PublishDeps } from "./place.ts";
import { anchorNewest, noteHash } from "./places/chain.ts";
import { store } from "./places/store.ts";
import { witness } from "./places/witness.ts";
import { readPublication } from "./publications.ts";
import { verifyAuditIntegrity } from "./verify-integrity.ts";

/** Two and a half blocks of Ethereum's main chain. */
const WAIT_MS = 30_000;

/** A signed checkpoint of a table, and where it is kept outside the database. */
export interface AnchoredCheckpoint {
  table: string;
  /** How many rows it covers. */
  size: number;
  /** The root of their tree, in base64. */
  root: string;
  /** The SHA-256 of the signed note, 64 hex digits: what a chain holds. */
  hash: string;
  /** The furthest place that is configured. */
  place: "chain" | "witness" | "store";
  /** On a chain. */
  transactionId?: string;
  /** An ISO 8601 instant; null while the transaction waits to be mined, which the outbox sees to. */
  publishedAt: string | null;
}

/**
 * Verifies an immutable table, seals it, and takes its signed checkpoint out of the database at once: to the store, and
 * from there to the chain, or where none is configured, to the witness.
 *
 * @param tableName `receipts`, or with its schema
 * @param deps made from the environment unless given
 * @throws {ConfigError} without a key to sign with
 * @throws {AuditError} `audit.damaged`: the table is not what was sealed, so that nothing is signed;
 *   `audit.nothing_sealed`: it has no rows; `audit.not_published`: a place did not take the checkpoint;
 *   `audit.checkpoint_*`: what is in the store cannot be used
 * @throws {AnchorError} the chain did not take it
 * @throws {InconsistentError} the checkpoint would contradict one that was published before
 * @throws {DatabaseError} `audit.table_unknown`, `audit.not_immutable`, `database.*`
 * @throws {CheckpointStoreError}
 */
export async function anchorSequenceCheckpoint(
  tableName: string,
  deps?: PublishDeps,
): Promise<AnchoredCheckpoint> {
  const using = deps ?? await publishDeps();
  const missing = store.missing(using);
  if (missing.length > 0) {
    throw new ConfigError(`${missing.join(" and ")} must be set: checkpoints are signed with it.`);
  }
  const { valid, table } = await verifyAuditIntegrity(tableName, using);
  if (!valid) {
    throw new AuditError(
      "audit.damaged",
      `The table ${table} is not what was sealed, so that no checkpoint of it is signed. ` +
        `See select verify_audit_integrity('${table}') for what was done to it.`,
    );
  }
  await using.database.rpc("seal_audit", { p_table: table });
  return await describe(table, await publishFurthest(table, using), using);
}

/** Publishes in the store and in the furthest place that is configured; resolves to the latter. */
async function publishFurthest(table: string, deps: PublishDeps): Promise<AnchoredCheckpoint["place"]> {
  expectTaken(await store.publish(table, 0, deps), "store");
  if (deps.anchor) {
    const { outcome } = await anchorNewest(table, deps, WAIT_MS);
    // It may have been an earlier checkpoint, which was on its way already.
    if (outcome === "delivered") await anchorNewest(table, deps, WAIT_MS);
    return "chain";
  }
  if (witness.missing(deps).length > 0) return "store";
  expectTaken(await witness.publish(table, 0, deps), "witness");
  return "witness";
}

function expectTaken(result: Awaited<ReturnType<typeof store.publish>>, place: string): void {
  if (result.outcome === "delivered") return;
  throw new AuditError(
    "audit.not_published",
    `The ${place} did not take the checkpoint (${result.error}). If the place is enabled, it is tried again.`,
  );
}

async function describe(
  table: string,
  place: AnchoredCheckpoint["place"],
  { database }: PublishDeps,
): Promise<AnchoredCheckpoint> {
  const { published, begun } = await readPublication(database, table, place);
  const [newest] = [published, begun].filter((one) => one !== null).sort((a, b) => b.size - a.size);
  if (!newest) {
    throw new AuditError("audit.nothing_sealed", `The table ${table} has no sealed rows to anchor yet.`);
  }
  const { size, root, note, reference, publishedAt } = newest;
  const transactionId = reference.transactionId as string | undefined;
  return {
    table,
    size,
    root,
    hash: noteHash(note!),
    place,
    ...(transactionId && { transactionId }),
    publishedAt,
  };
}
