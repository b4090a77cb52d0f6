/** Signed notes (c2sp.org/signed-note) with Ed25519 signatures. */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { sha256 } from "./merkle.ts";
import { Problem } from "./problem.ts";

/** Who may have signed. `id` is the key hash, 4 bytes in hex. */
export interface VerifierKey {
  name: string;
  id: string;
  key: KeyObject;
}

const ed25519 = 1;
const mostBytes = 1_000_000;
const mostSignatures = 100;
/** What stands before a raw Ed25519 key in its DER form (RFC 8410). */
const derPrefix = Buffer.from("302a300506032b6570032100", "hex");

/** Reads a verifier key, `<name>+<key hash>+<base64>`; throws `audit.key_invalid`. */
export function parseVerifierKey(text: string): VerifierKey {
  const refuse = (why: string) =>
    new Problem(
      "audit.key_invalid",
      `The key cannot be used: ${why}. Give the verifier key, <name>+<8 hex digits>+<base64>.`,
    );
  if (text.trim().startsWith("PRIVATE+KEY+")) {
    throw refuse("it is the secret signer key, which belongs nowhere else");
  }
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text.trim()) ?? [];
  if (!name || !id || !encoded) throw refuse("it has another form");
  const bytes = Buffer.from(encoded, "base64");
  if (bytes[0] !== ed25519 || bytes.length !== 33) throw refuse("it is no Ed25519 key");
  if (keyId(name, bytes) !== id) throw refuse("its name, key hash and key do not belong together");
  const key = createPublicKey({
    key: Buffer.concat([derPrefix, bytes.subarray(1)]),
    format: "der",
    type: "spki",
  });
  return { name, id, key };
}

function keyId(name: string, typeAndKey: Buffer): string {
  return sha256(Buffer.concat([Buffer.from(`${name}\n`), typeAndKey])).toString("hex", 0, 4);
}

/**
 * The text of a note that one of the keys signed, and that key. Signatures by others are ignored; throws
 * `audit.checkpoint_invalid` when it is no note or such a signature is wrong, `audit.key_mismatch` when there is none.
 *
 * @param source where the note comes from, for the problem's text
 */
export function openNote(
  note: string,
  keys: VerifierKey[],
  source: string,
): { text: string; key: VerifierKey } {
  const refuse = (why: string) =>
    new Problem(
      "audit.checkpoint_invalid",
      `The checkpoint ${source} is broken: ${why}. Get it anew from where it was published.`,
    );
  if (note.length > mostBytes) throw refuse(`it is longer than ${mostBytes} characters`);
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n")) {
    throw refuse("it is no signed note, which ends with an empty line and signatures");
  }
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > mostSignatures) throw refuse(`it has more than ${mostSignatures} signatures`);
  const signers = lines.map((line): VerifierKey | undefined => {
    const [, name, encoded] = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    if (!name || !encoded) throw refuse("a line after the empty line is no signature");
    const bytes = Buffer.from(encoded, "base64");
    const key = keys.find((key) => key.name === name && key.id === bytes.toString("hex", 0, 4));
    if (!key) return undefined;
    if (!verify(null, Buffer.from(text), key.key, bytes.subarray(4))) {
      throw refuse(
        `its signature by ${name} is wrong, so that its text was changed or somebody else signed it`,
      );
    }
    return key;
  });
  const key = signers.find((signer) => signer !== undefined);
  if (!key) {
    const names = keys.map(({ name, id }) => `${name}+${id}`).join(", ");
    throw new Problem(
      "audit.key_mismatch",
      `The checkpoint ${source} is not signed with the key given (${names}). Give the key of this project that was in use then.`,
    );
  }
  return { text, key };
}
