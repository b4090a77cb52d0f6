/** Checkpoints (c2sp.org/tlog-checkpoint): signed sizes and roots, from files or standard input. */
import { join } from "node:path";
import { Problem } from "./problem.ts";
import { openNote, type VerifierKey } from "./signed-note.ts";

/** That a table's tree of the first `size` rows has this root, as the holder of the key says. */
export interface Checkpoint {
  table: string;
  size: number;
  root: Buffer;
  source: string;
}

/**
 * Reads a signed checkpoint. Throws `audit.checkpoint_invalid`, `audit.key_mismatch` and `audit.checkpoint_foreign` (its
 * origin is of another project).
 */
export function parseCheckpoint(note: string, keys: VerifierKey[], source: string): Checkpoint {
  const broken = (why: string) =>
    new Problem(
      "audit.checkpoint_invalid",
      `The checkpoint ${source} is broken: ${why}. Get it anew from where it was published.`,
    );
  const origin = note.split("\n", 1)[0]!;
  if (keys.every((key) => !origin.startsWith(`${key.name}/`)) && note.includes("\n\n— ")) {
    throw foreign(source, origin, keys);
  }
  const { text, key } = openNote(note, keys, source);
  if (!origin.startsWith(`${key.name}/`)) throw foreign(source, origin, [key]);
  const [, size = "", encoded = ""] = text.split("\n");
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw broken("its second line is no size");
  }
  const root = Buffer.from(encoded, "base64");
  if (root.length !== 32 || root.toString("base64") !== encoded) {
    throw broken("its third line is no SHA-256 in base64");
  }
  return { table: origin.slice(key.name.length + 1), size: Number(size), root, source };
}

function foreign(source: string, origin: string, keys: VerifierKey[]): Problem {
  const names = keys.map(({ name }) => name).join(", ");
  return new Problem(
    "audit.checkpoint_foreign",
    `The checkpoint ${source} is of "${
      origin.slice(0, 200)
    }", not of ${names}. Give the checkpoints of this project.`,
  );
}

/**
 * Reads the checkpoints of a folder (its .txt files, and those of the folders in it), of a file, or of standard input
 * (`-`). A file may hold several, one after the other.
 *
 * @param refuse is told of each that cannot be used; the others are returned
 */
export async function readCheckpoints(
  path: string,
  keys: VerifierKey[],
  refuse: (problem: Problem) => void,
): Promise<Checkpoint[]> {
  const checkpoints: Checkpoint[] = [];
  for await (const { source, text } of notesIn(path)) {
    try {
      checkpoints.push(parseCheckpoint(text, keys, source));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refuse(error);
    }
  }
  return checkpoints;
}

async function* notesIn(path: string): AsyncGenerator<{ source: string; text: string }> {
  for await (const { source, text } of filesIn(path)) {
    const notes = splitNotes(text);
    for (const [i, note] of notes.entries()) {
      yield { source: notes.length > 1 ? `${source} (${i + 1}.)` : source, text: note };
    }
  }
}

/** A note ends with the last of the signature lines that follow each other. */
function splitNotes(text: string): string[] {
  const lines = text.split("\n");
  const notes: string[] = [];
  let first = 0;
  for (let i = 0; i < lines.length; i++) {
    if (lines[i]!.startsWith("— ") && !lines[i + 1]?.startsWith("— ")) {
      notes.push(lines.slice(first, i + 1).join("\n") + (i + 1 < lines.length ? "\n" : ""));
      first = i + 1;
      while (lines[first] === "") first++;
    }
  }
  if (lines.slice(first).some((line) => line !== "") || notes.length === 0) {
    notes.push(lines.slice(first).join("\n"));
  }
  return notes;
}

async function* filesIn(path: string): AsyncGenerator<{ source: string; text: string }> {
  if (path === "-") {
    yield { source: "of standard input", text: await new Response(Deno.stdin.readable).text() };
    return;
  }
  try {
    if ((await Deno.stat(path)).isDirectory) {
      for await (const { name, isDirectory } of Deno.readDir(path)) {
        if (isDirectory || name.endsWith(".txt")) yield* filesIn(join(path, name));
      }
    } else {
      yield { source: path, text: await Deno.readTextFile(path) };
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(
      "audit.checkpoint_invalid",
      `The checkpoints at ${path} cannot be read: ${(error as Error).message}.`,
    );
  }
}
