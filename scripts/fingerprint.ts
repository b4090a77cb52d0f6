/** Reads messages from standard input, one a line, and prints the fingerprint of each, in the same order. */
import { fingerprint } from "../supabase/functions/_shared/core/failure/fingerprint.ts";

/** Cuts a stream of UTF-8 bytes, whose pieces end anywhere, into blocks of ids, one a line. */
export async function* fingerprintLines(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of input) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (lines.length > 0) yield lines.map(toLine).join("");
  }
  rest += decoder.decode();
  if (rest !== "") yield toLine(rest);
}

const toLine = (message: string) => fingerprint(message.replace(/\r$/, "")) + "\n";

if (import.meta.main) {
  const output = Deno.stdout.writable.getWriter();
  const encoder = new TextEncoder();
  for await (const block of fingerprintLines(Deno.stdin.readable)) await output.write(encoder.encode(block));
}
