/** Signed notes with Ed25519 keys, as in https://c2sp.org/signed-note and Go's golang.org/x/mod/sumdb/note. */
import { AuditError } from "./audit-error.ts";
import { type Bytes, concatenate, decodeBase64, decodeHex, encodeBase64, encodeHex } from "./bytes.ts";
import type { NoteSigner, NoteVerifier } from "./note-key.ts";

/** Go's limits; the specification asks for 16 signatures at least. */
const MAX_LENGTH = 1_000_000;
const MAX_SIGNATURES = 100;

// deno-lint-ignore no-control-regex
const ALLOWED_TEXT = /^[^\u0000-\u0009\u000b-\u001f]*\n$/;
const SIGNATURE_LINE = /^— ([^\s\u0085+]+) ([A-Za-z0-9+/]+={0,2})$/;

/** One signature line, not verified. */
export interface NoteSignature {
  name: string;
  /** The key's id, 8 hexadecimal digits. */
  id: string;
  signature: Bytes;
}

/** A note as it was read; its text counts for nothing until {@link verifyNote} has passed. */
export interface SignedNote {
  /** With its final newline: what is signed. */
  text: string;
  signatures: NoteSignature[];
}

/** Signs a text, which ends in a newline and has no other control character. Throws `audit.checkpoint_invalid`. */
export async function signNote(text: string, signer: NoteSigner): Promise<string> {
  if (!isNoteText(text)) {
    throw new AuditError(
      "audit.checkpoint_invalid",
      "The text cannot be signed: it must end in a newline, hold no other control character, and be 1 MB at most.",
    );
  }
  const signature = await crypto.subtle.sign("Ed25519", signer.privateKey, new TextEncoder().encode(text));
  const { name, id } = signer.verifier;
  const line = encodeBase64(concatenate(decodeHex(id), new Uint8Array(signature)));
  return `${text}\n— ${name} ${line}\n`;
}

/** Reads a note without verifying it. Throws `audit.checkpoint_invalid`, with the first thing that is wrong. */
export function parseNote(note: string): SignedNote {
  if (!isNoteText(note)) {
    throw broken("it is longer than 1 MB, or not lines of text without control characters");
  }
  // The text may hold empty lines itself: the last one ends it.
  const end = note.lastIndexOf("\n\n");
  if (end < 0) throw broken("no empty line separates its text from its signatures");
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw broken(`it has more than ${MAX_SIGNATURES} signatures`);
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignature) };
}

/**
 * Verifies every signature of a note that is by one of these keys; signatures by other keys do not count.
 *
 * Throws `audit.signature_invalid` when none is by one of these keys, or one is not genuine.
 */
export async function verifyNote(note: SignedNote, verifiers: NoteVerifier[]): Promise<void> {
  const text = new TextEncoder().encode(note.text);
  let verified = 0;
  for (const { name, id, signature } of note.signatures) {
    const verifier = verifiers.find((one) => one.name === name && one.id === id);
    if (!verifier) continue;
    if (!await crypto.subtle.verify("Ed25519", verifier.publicKey, signature, text)) {
      throw new AuditError(
        "audit.signature_invalid",
        `The signature of ${name} is not genuine: the text was changed, or somebody else signed it.`,
      );
    }
    verified++;
  }
  if (verified === 0) {
    throw new AuditError(
      "audit.signature_invalid",
      `No trusted key signed this. Trusted: ${describe(verifiers)}; signed by: ${describe(note.signatures)}.`,
    );
  }
}

function isNoteText(text: string): boolean {
  return text.length <= MAX_LENGTH && text.isWellFormed() && ALLOWED_TEXT.test(text);
}

function parseSignature(line: string): NoteSignature {
  const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? [];
  const bytes = encoded ? decodeBase64(encoded) : undefined;
  if (!name || !bytes || bytes.length < 5) {
    throw broken("a line after its text is not an em dash, a key's name and a signature in base64");
  }
  return { name, id: encodeHex(bytes.slice(0, 4)), signature: bytes.slice(4) };
}

function describe(keys: { name: string; id: string }[]): string {
  return keys.slice(0, 5).map(({ name, id }) => `${name.slice(0, 100)}+${id}`).join(", ") || "nobody";
}

function broken(problem: string): AuditError {
  return new AuditError("audit.checkpoint_invalid", `This is no signed note: ${problem}.`);
}
