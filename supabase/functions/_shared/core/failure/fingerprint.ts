import { MASKS } from "./fingerprint-masks.ts";

/** What a message says is in its beginning; a longer one is a dump. Keeps hostile input cheap. */
const MAX_LENGTH = 4_000;

/**
 * The stable id of the kind of failure that a message describes. Messages that differ only in values (numbers, ids,
 * hosts, paths, times, names, quoted text) have the same id on every machine, because nothing but the message counts.
 *
 * @param message any text; only its first 4,000 characters count
 * @returns 16 hexadecimal digits
 */
export function fingerprint(message: string): string {
  return fnv1a64(messageTemplate(message));
}

/** The message with every value replaced by `<*>`: what the messages of one fingerprint have in common. */
export function messageTemplate(message: string): string {
  let template = message.slice(0, MAX_LENGTH);
  for (const { pattern, replace } of MASKS) template = template.replace(pattern, replace as string);
  return template.trim();
}

/**
 * FNV-1a, 64 bits (Fowler, Noll, Vo: http://www.isthe.com/chongo/tech/comp/fnv/), of the UTF-8 bytes. In two halves
 * of 32 bits, because BigInt is many times slower.
 */
export function fnv1a64(text: string): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (const byte of new TextEncoder().encode(text)) {
    low = (low ^ byte) >>> 0;
    // The prime is 2^40 + 0x1b3; every product below stays under 2^53 and is exact.
    const product = low * 0x1b3;
    high = (high * 0x1b3 + low * 0x100 + Math.floor(product / 2 ** 32)) % 2 ** 32;
    low = product % 2 ** 32;
  }
  return [high, low].map((half) => half.toString(16).padStart(8, "0")).join("");
}
