import type { Database } from "../ports.ts";
import type { LogState } from "./prove-growth.ts";

/** How far a log is sealed, as `audit_head` tells it. */
export interface Head extends LogState {
  table: string;
  lastSeq: number;
  block: number;
  sealedAt: string | null;
}

/** A checkpoint at a place, as `audit_publication` tells it. */
export interface Publication extends LogState {
  note: string | null;
  /** How to find it at the place. */
  reference: Record<string, unknown>;
  begunAt: string;
  publishedAt: string | null;
}

export function readHead(database: Database, table: string): Promise<Head> {
  return database.rpc("audit_head", { p_table: table });
}

/** The newest checkpoint of a table that a place took, and the newest that was begun and not finished. */
export function readPublication(
  database: Database,
  table: string,
  place: string,
): Promise<{ published: Publication | null; begun: Publication | null }> {
  return database.rpc("audit_publication", { p_table: table, p_place: place });
}

/** @param done false when publishing only begins */
export async function recordPublication(
  database: Database,
  table: string,
  place: string,
  checkpoint: LogState & { note: string },
  reference: Record<string, unknown> = {},
  done = true,
): Promise<void> {
  await database.rpc("record_publication", {
    p_table: table,
    p_place: place,
    p_size: checkpoint.size,
    p_root: checkpoint.root,
    p_note: checkpoint.note,
    p_reference: reference,
    p_done: done,
  });
}
