import type { Database } from "../ports.ts";
import { publishDeps } from "./deps.ts";
import { newestCheckpoint } from "./newest-checkpoint.ts";
import type { PublishDeps } from "./place.ts";

/** Ranges verified at the same time; each costs one connection and one core of the database. */
const PARALLEL = 4;
const MAX_GAPS = 1_000;
const MAX_DAMAGE = 100;

/** Rows that are not what was sealed, and what was done to them. */
export interface Damage {
  kind: "edited" | "deleted" | "inserted_later" | "reordered" | "tail_cut" | "rewritten";
  firstSeq: number | null;
  lastSeq: number | null;
  rows: number | null;
  block: number | null;
  detail: string;
}

/** The verdict on an immutable table. */
export interface AuditIntegrity {
  /** True when every row is what was sealed, none is missing, and the newest checkpoint fits. */
  valid: boolean;
  /** Numbers of sealed rows that are missing, at most 1,000. A number that was rolled back is none. */
  gaps: number[];
  /** The greatest number. */
  lastSeq: number;
  table: string;
  /** How many rows were looked at. */
  rows: number;
  /** How many rows are sealed. */
  size: number;
  /** At most 100 findings. */
  damage: Damage[];
  /** Triggers without which its rows could be changed, and that are missing or off. */
  unguarded: string[];
  /** The checkpoint from outside that the log was compared with; null: a cut tail or a full rewrite may go unseen. */
  checkpoint: { size: number; root: string } | null;
}

/** Blocks; the last range is open, and includes the rows that are not sealed yet. */
interface Range {
  first_block: number;
  last_block: number | null;
}

/**
 * Verifies every row of an immutable table, in parallel ranges, and compares the log with the newest checkpoint in the
 * store, whose signature is verified first.
 *
 * @param tableName `receipts`, or with its schema
 * @param deps made from the environment unless given
 * @throws {DatabaseError} `audit.table_unknown`, `audit.not_immutable`, `database.*`
 * @throws {AuditError} `audit.checkpoint_invalid`, `audit.checkpoint_foreign` or `audit.signature_invalid`: what is in
 *   the store cannot be used
 * @throws {CheckpointStoreError}
 */
export async function verifyAuditIntegrity(
  tableName: string,
  deps?: Pick<PublishDeps, "database" | "store" | "keys">,
): Promise<AuditIntegrity> {
  const { database, store, keys } = deps ?? await publishDeps();
  const { table } = await database.rpc<{ table: string }>("audit_head", { p_table: tableName });
  // Read before the log, which only grows meanwhile.
  const newest = keys.verifiers.length > 0 ? await newestCheckpoint(table, { store, keys }) : null;
  const checkpoint = newest && { size: newest.size, root: newest.root };
  const ranges = await database.rpc<Range[]>("audit_ranges", { p_table: table });
  const verdicts = await verifyRanges(table, ranges, checkpoint, database);
  return merge(verdicts, checkpoint);
}

type Verdict = Omit<AuditIntegrity, "checkpoint">;

async function verifyRanges(
  table: string,
  ranges: Range[],
  checkpoint: AuditIntegrity["checkpoint"],
  database: Database,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const waiting = ranges.entries();
  const worker = async () => {
    for (const [index, range] of waiting) {
      verdicts[index] = await database.rpc<Verdict>("verify_audit_integrity", {
        p_table: table,
        p_first_block: range.first_block,
        p_last_block: range.last_block,
        p_checkpoint: checkpoint,
      });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return verdicts;
}

function merge(verdicts: Verdict[], checkpoint: AuditIntegrity["checkpoint"]): AuditIntegrity {
  const last = verdicts.at(-1)!;
  // What concerns the whole log is found with each range.
  const findings = new Map(verdicts.flatMap(({ damage }) => damage.map((one) => [JSON.stringify(one), one])));
  return {
    ...last,
    valid: verdicts.every(({ valid }) => valid),
    gaps: [...new Set(verdicts.flatMap(({ gaps }) => gaps))].sort((a, b) => a - b).slice(0, MAX_GAPS),
    rows: verdicts.reduce((total, { rows }) => total + rows, 0),
    damage: [...findings.values()].slice(0, MAX_DAMAGE),
    checkpoint,
  };
}
