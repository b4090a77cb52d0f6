/** Checkpoints of a log: what https://c2sp.org/tlog-checkpoint says about the text of a signed note. */
import { AuditError } from "./audit-error.ts";
import { decodeBase64 } from "./bytes.ts";
import type { NoteVerifier } from "./note-key.ts";
import { parseNote, verifyNote } from "./signed-note.ts";

/** How many rows a log had, and the root of their tree. */
export interface Checkpoint {
  /** Whose log it is: the key's name, `/`, the table's name. */
  origin: string;
  size: number;
  /** Base64 of 32 bytes. */
  root: string;
}

const SIZE = /^(0|[1-9][0-9]{0,15})$/;

/** The text to sign. Throws `audit.checkpoint_invalid` when reading it would not give the same checkpoint. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  const text = `${origin}\n${size}\n${root}\n`;
  parseCheckpoint(text);
  return text;
}

/** Reads the text of a checkpoint; lines after the root are extensions, and ignored. Throws `audit.checkpoint_invalid`. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n");
  const [origin, size, root] = lines;
  if (!origin || !size || !root || lines.pop() !== "" || lines.includes("")) {
    throw broken("it must be lines of origin, size and root, each with a newline, none empty");
  }
  if (!SIZE.test(size) || !Number.isSafeInteger(Number(size))) {
    throw broken("its second line must be the size, a decimal number");
  }
  if (root.length !== 44 || decodeBase64(root)?.length !== 32) {
    throw broken("its third line must be the root, 32 bytes in base64");
  }
  return { origin, size: Number(size), root };
}

/**
 * Reads and verifies a signed checkpoint.
 *
 * @param note as it was published
 * @param origin whose checkpoint it must be
 * @param verifiers the keys of which one must have signed it
 * @throws AuditError `audit.checkpoint_invalid` (broken), `audit.checkpoint_foreign` (another log's),
 *   `audit.signature_invalid` (not signed by one of the keys)
 */
export async function openCheckpoint(
  note: string,
  origin: string,
  verifiers: NoteVerifier[],
): Promise<Checkpoint> {
  const signed = parseNote(note);
  const checkpoint = parseCheckpoint(signed.text);
  if (checkpoint.origin !== origin) {
    throw new AuditError(
      "audit.checkpoint_foreign",
      `This is a checkpoint of "${checkpoint.origin.slice(0, 200)}", not of "${origin}".`,
    );
  }
  await verifyNote(signed, verifiers);
  return checkpoint;
}

function broken(problem: string): AuditError {
  return new AuditError("audit.checkpoint_invalid", `This is no checkpoint: ${problem}.`);
}
