/**
 * `deno task fingerprint`: reads messages from standard input, one a line, and prints the fingerprint of each, in the
 * same order.
 */
import { announceInput, readArguments } from "./command-line.ts";
import { mapLines, printBlocks } from "./lines.ts";
import { fingerprint } from "../supabase/functions/_shared/core/failure/fingerprint.ts";

/** Blocks of fingerprints, one a line, for the lines of a stream of UTF-8 bytes. */
export function fingerprintLines(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  return mapLines(input, fingerprint);
}

if (import.meta.main) {
  readArguments("fingerprint");
  announceInput("messages, one a line,");
  await printBlocks(fingerprintLines(Deno.stdin.readable));
}
