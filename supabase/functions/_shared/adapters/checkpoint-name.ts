/** The names of stored checkpoints. */

/**
 * The folder of a table's checkpoints. Characters that Storage refuses in a key or that mean something in a path, and
 * capitals, which Storage does not tell from small letters when it lists, are written as `=` and the hexadecimal digits
 * of their bytes in UTF-8.
 */
export function checkpointFolder(table: string): string {
  return table.replace(/^\.|[^a-z0-9_.-]/gu, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const bytes = [...new TextEncoder().encode(character)];
  return bytes.map((byte) => `=${byte.toString(16).padStart(2, "0")}`).join("");
}

/** The name of a checkpoint in its table's folder: as texts they have the order of the sizes. */
export function checkpointName(size: number): string {
  return `${String(size).padStart(20, "0")}.txt`;
}

/** The size that a name tells; null for a name of something else. */
export function sizeOfCheckpoint(name: string): number | null {
  const digits = /^(\d{20})\.txt$/.exec(name)?.[1];
  return digits && Number.isSafeInteger(Number(digits)) ? Number(digits) : null;
}
