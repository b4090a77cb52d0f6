/** The few operations on bytes that trees and signatures share. WebCrypto hashes without any permission. */

export type Bytes = Uint8Array<ArrayBuffer>;

export function concatenate(...parts: Iterable<number>[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export async function sha256(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}

export function encodeHex(bytes: Bytes): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function decodeHex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));
}

/** Standard base64 with padding (RFC 4648, section 4). */
export function encodeBase64(bytes: Bytes): string {
  return btoa(String.fromCharCode(...bytes));
}

/** The bytes of a base64 text, or undefined when encoding them would not give that very text. */
export function decodeBase64(text: string): Bytes | undefined {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    return undefined;
  }
  return btoa(binary) === text ? Uint8Array.from(binary, (character) => character.charCodeAt(0)) : undefined;
}
