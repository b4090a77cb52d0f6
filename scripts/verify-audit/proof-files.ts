/** Checks proofs offline: the JSON that the database's functions answer, and signed checkpoints. */
import { z } from "zod";
import { type Checkpoint, parseCheckpoint } from "./checkpoints.ts";
import { Problem } from "./problem.ts";
import { inclusionRoot, isConsistent } from "./proofs.ts";
import { hashLeafText } from "./row-text.ts";
import { count, hash, parseJson, Refusal } from "./shapes.ts";
import type { VerifierKey } from "./signed-note.ts";

const inclusion = z.object({
  table: z.string(),
  seq: count,
  position: count,
  size: count,
  root: hash,
  leafHash: hash,
  proof: z.array(hash),
});
const consistency = z.object({
  table: z.string(),
  oldSize: count,
  oldRoot: hash,
  newSize: count,
  newRoot: hash,
  proof: z.array(hash),
});

/** Whether something is proven, and a sentence that says what is, or why it is not. */
export interface Answer {
  isProven: boolean;
  sentence: string;
}

/**
 * Checks that a row is in the log that a checkpoint is of. Throws `audit.proof_invalid` for what is no proof or is of
 * another size than the checkpoint, and what reading a checkpoint throws.
 *
 * @param rowText the leaf text of the row, to be sure that it is the one the proof is about
 */
export function checkInclusion(
  proofText: string,
  note: string,
  keys: VerifierKey[],
  rowText: string | undefined,
): Answer {
  const proof = parse(inclusion, proofText);
  const checkpoint = checkpointOf(proof.table, proof.size, note, keys, "given");
  const { seq, table, position, size, leafHash } = proof;
  const no = (why: string) => ({ isProven: false, sentence: `Not proven: ${why}.` });
  if (rowText !== undefined && !hashLeafText(rowText).equals(leafHash)) {
    return no("the row's text has another leaf hash than the proof");
  }
  if (!inclusionRoot(position, size, leafHash, proof.proof)?.equals(checkpoint.root)) {
    return no("the proof does not lead to the checkpoint's root");
  }
  const what = rowText === undefined
    ? `the row with the leaf hash ${leafHash.toString("base64")}`
    : "this row";
  return {
    isProven: true,
    sentence: `Proven: ${what} is at position ${position} of ${table} (number ${seq}, as the proof says).`,
  };
}

/** Checks that an older checkpoint's log is the beginning of a newer one's. Throws as {@link checkInclusion}. */
export function checkConsistency(
  proofText: string,
  oldNote: string,
  newNote: string,
  keys: VerifierKey[],
): Answer {
  const { table, oldSize, newSize, proof } = parse(consistency, proofText);
  const old = checkpointOf(table, oldSize, oldNote, keys, "of --old");
  const now = checkpointOf(table, newSize, newNote, keys, "of --new");
  return isConsistent(old, now, proof)
    ? {
      isProven: true,
      sentence: `Proven: the first ${oldSize} rows of ${table} are the same in both checkpoints.`,
    }
    : {
      isProven: false,
      sentence: "Not proven: the proof does not lead from the older root to the newer one.",
    };
}

function checkpointOf(
  table: string,
  size: number,
  note: string,
  keys: VerifierKey[],
  source: string,
): Checkpoint {
  const checkpoint = parseCheckpoint(note, keys, source);
  if (checkpoint.table !== table) {
    throw new Problem(
      "audit.checkpoint_foreign",
      `The checkpoint ${source} is of ${checkpoint.table}, the proof of ${table}. Give a checkpoint of ${table}.`,
    );
  }
  if (checkpoint.size === size) return checkpoint;
  throw new Problem(
    "audit.proof_invalid",
    `The proof is for a log of ${size} rows, the checkpoint ${source} of ${checkpoint.size}. Ask for a proof of that size.`,
  );
}

function parse<Shape extends z.ZodType>(shape: Shape, text: string): z.output<Shape> {
  try {
    return parseJson(shape, text);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Problem(
      "audit.proof_invalid",
      `The proof ${error.message}. Give the answer of the database as it is.`,
    );
  }
}
