import { compactDecrypt, CompactEncrypt, decodeProtectedHeader } from "jose";
import type { TokenVault } from "../ports.ts";

/** The keys or an encrypted value cannot be used; `code` is `token_keys.*` or `encrypted_value.*`. Never holds a secret. */
export class TokenVaultError extends Error {
  override name = "TokenVaultError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

const KEY_BYTES = 32;
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
const HOW_TO_MAKE = 'Make one with `echo "k1:$(openssl rand -base64 32)"`.';

/**
 * Encrypts secrets as compact JWEs (RFC 7516, `dir` + A256GCM). The protected header names the key (`kid`) and the row
 * that holds the value (`row`); both are authenticated, so a value that was copied to another row is refused.
 *
 * @param keys `kid:base64(32 bytes)`, separated by commas. The first key encrypts, all of them decrypt: to rotate, put a
 *   new key in front, and drop the old one when nothing is encrypted with it any more.
 * @throws {TokenVaultError} `token_keys.missing | malformed | short | duplicate`, at construction;
 *   `encrypted_value.malformed | unknown_key | wrong_row | tampered` from `decrypt`.
 */
export function createTokenVault(keys: string): TokenVault {
  const ring = parseKeys(keys);
  const [currentId, currentKey] = ring.entries().next().value!;

  return {
    encrypt(row, plain) {
      return new CompactEncrypt(new TextEncoder().encode(plain))
        .setProtectedHeader({ alg: "dir", enc: "A256GCM", kid: currentId, row })
        .encrypt(currentKey);
    },

    async decrypt(row, encrypted) {
      const header = headerOf(encrypted);
      const key = ring.get(header.kid);
      if (!key) {
        throw new TokenVaultError(
          "encrypted_value.unknown_key",
          `The value of ${row} was encrypted with a key that TOKEN_ENCRYPTION_KEYS does not hold; add that key again`,
        );
      }
      // The header is authenticated below; comparing first tells a moved value from a damaged one.
      if (header.row !== row) {
        throw new TokenVaultError(
          "encrypted_value.wrong_row",
          `The value found in ${row} was encrypted for another row`,
        );
      }
      const { plaintext } = await decryptJwe(encrypted, key, row);
      return new TextDecoder().decode(plaintext);
    },

    isEncryptedWithCurrentKey(encrypted) {
      return headerOf(encrypted).kid === currentId;
    },
  };
}

async function decryptJwe(encrypted: string, key: Uint8Array, row: string) {
  try {
    return await compactDecrypt(encrypted, key, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
    });
  } catch {
    throw new TokenVaultError(
      "encrypted_value.tampered",
      `The value of ${row} cannot be decrypted: it was changed after it was encrypted, or its key was replaced`,
    );
  }
}

function headerOf(encrypted: string): { kid: string; row: string } {
  try {
    const { kid, row } = decodeProtectedHeader(encrypted);
    if (typeof kid === "string" && typeof row === "string" && encrypted.split(".").length === 5) {
      return { kid, row };
    }
  } catch {
    // Not a JWE at all; told below without quoting it, because it may be a token in plain text.
  }
  throw new TokenVaultError(
    "encrypted_value.malformed",
    "The stored value was not encrypted by this product",
  );
}

function parseKeys(text: string): Map<string, Uint8Array> {
  const entries = text.split(",").map((entry) => entry.trim()).filter((entry) => entry !== "");
  if (entries.length === 0) {
    throw new TokenVaultError("token_keys.missing", `TOKEN_ENCRYPTION_KEYS holds no key. ${HOW_TO_MAKE}`);
  }
  const ring = new Map<string, Uint8Array>();
  for (const [index, entry] of entries.entries()) {
    const [id, key] = parseKey(entry, `Key ${index + 1} of TOKEN_ENCRYPTION_KEYS`);
    if (ring.has(id)) {
      throw new TokenVaultError("token_keys.duplicate", `TOKEN_ENCRYPTION_KEYS names the key "${id}" twice`);
    }
    ring.set(id, key);
  }
  return ring;
}

function parseKey(entry: string, name: string): [id: string, key: Uint8Array] {
  const colon = entry.indexOf(":");
  const id = entry.slice(0, colon);
  const bytes = colon > 0 && KEY_ID.test(id) ? fromBase64(entry.slice(colon + 1)) : null;
  if (!bytes) {
    throw new TokenVaultError("token_keys.malformed", `${name} is not kid:base64(32 bytes). ${HOW_TO_MAKE}`);
  }
  if (bytes.length !== KEY_BYTES) {
    const problem = `${name} has ${bytes.length} bytes instead of ${KEY_BYTES}`;
    const code = bytes.length < KEY_BYTES ? "token_keys.short" : "token_keys.malformed";
    throw new TokenVaultError(code, `${problem}. ${HOW_TO_MAKE}`);
  }
  return [id, bytes];
}

function fromBase64(text: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
