/** The leaf text of a row, and its hash ("Rows" in `.github/AUDIT.md`). */
import { sha256 } from "./merkle.ts";

const formatVersion = 1;
const [comma, open, close, quote, backslash] = Buffer.from(`,()"\\`);
/** 1 for the bytes that make a field be quoted, 2 for those that are doubled as well. */
const special = new Uint8Array(256);
for (const byte of Buffer.from("(), \t\n\v\f\r")) special[byte] = 1;
for (const byte of [quote!, backslash!]) special[byte] = 2;

/** Holds one row at a time: rows are hashed by the million, and a buffer for each costs more than the text. */
let scratch = Buffer.alloc(4_096);

/** The type's text output of each field in UTF-8, or null. */
export type Fields = readonly (Uint8Array | null)[];

/** The leaf hash of a row whose first `count` fields count. */
export function hashRow(fields: Fields, count = fields.length): Buffer {
  return sha256(write(fields, count));
}

/** The leaf hash of a leaf text. */
export function hashLeafText(text: string): Buffer {
  return sha256(Buffer.concat([new Uint8Array([0, formatVersion]), Buffer.from(text)]));
}

/** The leaf text of a row, as PostgreSQL writes it. */
export function rowText(fields: Fields): string {
  return write(fields, fields.length).toString("utf8", 2);
}

/** One field of a leaf text, as it is written there; empty when there is none. */
export function fieldOf(leafText: string, index: number): string {
  let [start, quoted] = [1, false];
  for (let at = start; at < leafText.length; at++) {
    const character = leafText[at];
    if (character === '"') quoted = !quoted;
    if (quoted || (character !== "," && character !== ")")) continue;
    if (index-- === 0) return leafText.slice(start, at);
    start = at + 1;
  }
  return "";
}

/** The leaf's prefix and the first `count` fields; valid until the next call. */
function write(fields: Fields, count: number): Buffer {
  reserve(fields, count);
  scratch[0] = 0;
  scratch[1] = formatVersion;
  scratch[2] = open!;
  let end = 3;
  for (let i = 0; i < count; i++) {
    if (i > 0) scratch[end++] = comma!;
    const field = fields[i];
    if (field) end = writeField(field, end);
  }
  scratch[end++] = close!;
  return scratch.subarray(0, end);
}

function writeField(field: Uint8Array, start: number): number {
  let end = start;
  let quoted = field.length === 0;
  for (let i = 0; i < field.length; i++) {
    const byte = field[i]!;
    if (special[byte]) {
      quoted = true;
      break;
    }
    scratch[end++] = byte;
  }
  if (!quoted) return end;
  end = start;
  scratch[end++] = quote!;
  for (let i = 0; i < field.length; i++) {
    const byte = field[i]!;
    if (special[byte] === 2) scratch[end++] = byte;
    scratch[end++] = byte;
  }
  scratch[end++] = quote!;
  return end;
}

/** Makes room for every byte doubled and every field quoted. */
function reserve(fields: Fields, count: number): void {
  let size = 4;
  for (let i = 0; i < count; i++) size += 2 * (fields[i]?.length ?? 0) + 3;
  if (size > scratch.length) scratch = Buffer.alloc(Math.max(size, 2 * scratch.length));
}
