/**
 * Keys of signed notes in Go's text formats: `<name>+<id>+<base64>` to verify, `PRIVATE+KEY+<name>+<id>+<base64>` to
 * sign. The base64 is of the signature type and the 32 bytes of the Ed25519 key; the private one is its seed.
 */
import { AuditError } from "./audit-error.ts";
import { type Bytes, concatenate, decodeBase64, encodeBase64, encodeHex, sha256 } from "./bytes.ts";

/** What verifies notes. Name and id together say which key it is. */
export interface NoteVerifier {
  name: string;
  /** 8 hexadecimal digits. */
  id: string;
  publicKey: CryptoKey;
}

/** What signs notes, and what verifies them. */
export interface NoteSigner {
  privateKey: CryptoKey;
  verifier: NoteVerifier;
}

/** Ed25519 in c2sp.org/signed-note. */
const ED25519 = 1;
const PRIVATE_PREFIX = "PRIVATE+KEY+";
const KEY = /^([^\s\u0085+]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})$/;
/** What PKCS #8 puts before the 32 bytes of an Ed25519 seed (RFC 8410, section 7). */
const PKCS8_HEADER = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

/**
 * The two texts of a key.
 *
 * @param name without spaces and plus signs, best an address such as `example.supabase.co`
 * @param seed 32 random bytes
 */
export async function formatKeys(name: string, seed: Bytes): Promise<{ signer: string; verifier: string }> {
  const { publicBytes } = await importSeed(seed);
  const id = await keyId(name, publicBytes);
  const text = (bytes: Bytes) => `${name}+${id}+${encodeBase64(concatenate([ED25519], bytes))}`;
  const verifier = text(publicBytes);
  parseKey(verifier);
  return { signer: PRIVATE_PREFIX + text(seed), verifier };
}

/** Reads a key that verifies. Throws `audit.key_invalid`. */
export async function readVerifier(text: string): Promise<NoteVerifier> {
  if (text.startsWith(PRIVATE_PREFIX)) {
    throw new AuditError("audit.key_invalid", "This key signs. Give only the key that verifies away.");
  }
  const { name, id, bytes } = parseKey(text);
  return { name, id: await checkId(name, id, bytes), publicKey: await importPublic(bytes) };
}

/** Reads a key that signs. Throws `audit.key_invalid`. */
export async function readSigner(text: string): Promise<NoteSigner> {
  if (!text.startsWith(PRIVATE_PREFIX)) {
    throw new AuditError(
      "audit.key_invalid",
      `A key that signs begins with ${PRIVATE_PREFIX}; this one does not.`,
    );
  }
  const { name, id, bytes } = parseKey(text.slice(PRIVATE_PREFIX.length));
  const { privateKey, publicBytes } = await importSeed(bytes);
  await checkId(name, id, publicBytes);
  return { privateKey, verifier: { name, id, publicKey: await importPublic(publicBytes) } };
}

function parseKey(text: string): { name: string; id: string; bytes: Bytes } {
  const [, name, id, encoded] = KEY.exec(text) ?? [];
  const bytes = encoded ? decodeBase64(encoded) : undefined;
  if (!name || !id || !name.isWellFormed() || bytes?.length !== 33 || bytes[0] !== ED25519) {
    throw new AuditError(
      "audit.key_invalid",
      "This is no Ed25519 key of a signed note: a name without spaces and plus signs, `+`, 8 hexadecimal digits, " +
        "`+`, and 44 characters of base64. `deno task audit-keys` makes keys.",
    );
  }
  return { name, id, bytes: bytes.slice(1) };
}

async function keyId(name: string, publicBytes: Bytes): Promise<string> {
  const hash = await sha256(concatenate(new TextEncoder().encode(`${name}\n`), [ED25519], publicBytes));
  return encodeHex(hash.slice(0, 4));
}

async function checkId(name: string, id: string, publicBytes: Bytes): Promise<string> {
  if (id === await keyId(name, publicBytes)) return id;
  throw new AuditError(
    "audit.key_invalid",
    "The key's digits do not fit its name and its bytes: a part was changed.",
  );
}

function importPublic(bytes: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes, "Ed25519", false, ["verify"]);
}

/** The key of a seed. WebCrypto tells the public half of a private key only in a JWK. */
async function importSeed(seed: Bytes): Promise<{ privateKey: CryptoKey; publicBytes: Bytes }> {
  const pkcs8 = concatenate(PKCS8_HEADER, seed);
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", privateKey);
  const base64 = x!.replaceAll("-", "+").replaceAll("_", "/") + "=";
  return { privateKey, publicBytes: decodeBase64(base64)! };
}
