/** The lines of an exported segment ("Exports" in `.github/AUDIT.md`). */
import { z } from "zod";
import { count, hash } from "./shapes.ts";

const segmentLine = z.object({
  type: z.literal("segment"),
  format: z.literal(1),
  table: z.string(),
  first_block: count,
  last_block: count,
  start: z.object({ size: count, frontier: z.array(hash) }),
});
const blockLine = z.object({
  type: z.literal("block"),
  number: count,
  first_seq: count,
  last_seq: count,
  voids: z.array(z.tuple([count, count])),
  first_position: count,
  rows: count,
  size: count,
  root: hash,
  columns: z.array(z.string()),
  sealed_at: z.string(),
  prev_hash: hash,
  row_hash: hash,
});
const rowLine = z.object({ type: z.literal("row"), seq: count, position: count, leaf: z.string() });
const checkpointLine = z.object({
  type: z.literal("checkpoint"),
  note: z.string(),
  consistency: z.object({ old_size: count, new_size: count, proof: z.array(hash) }),
});
/** A line of an export. */
export const lineShape = z.discriminatedUnion("type", [segmentLine, blockLine, rowLine, checkpointLine]);
export type Line = z.output<typeof lineShape>;
