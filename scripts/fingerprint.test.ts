import assert from "node:assert/strict";
import { fingerprint } from "../supabase/functions/_shared/core/failure/fingerprint.ts";
import { fingerprintLines } from "./fingerprint.ts";

async function run(pieces: Uint8Array[]): Promise<string> {
  let output = "";
  for await (const block of fingerprintLines(ReadableStream.from(pieces))) output += block;
  return output;
}

Deno.test("every line, also an empty or unfinished one, gets one id, wherever the stream is cut", async () => {
  const lines = ["timeout after 30 s", "", "naïve – ошибка", "a\u2028b", "last"];
  const bytes = new TextEncoder().encode(lines.join("\r\n"));
  const expected = lines.map((line) => fingerprint(line) + "\n").join("");
  assert.equal(await run([bytes]), expected);
  assert.equal(await run(Array.from(bytes, (byte) => new Uint8Array([byte]))), expected);
});

Deno.test("no input is no output", async () => {
  assert.equal(await run([]), "");
});
