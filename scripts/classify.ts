/**
 * `deno task classify`: JSON lines on stdin, one JSON line each on stdout, in the same order. A line that is no JSON
 * object is answered by `{"error": {...}}` in its place, and the exit code is 1 in the end.
 *
 *   echo '{"http_status":429,"headers":{"Retry-After":"7"}}' | npx -y deno@2.9.6 task --quiet classify
 */
import { announceInput, readArguments } from "./command-line.ts";
import { mapObjects } from "./json-lines.ts";
import { printBlocks } from "./lines.ts";
import { classifyFailure } from "../supabase/functions/_shared/core/failure/classify.ts";
import type { Failure } from "../supabase/functions/_shared/core/failure/failure.ts";

const wording = { verb: "classify", noun: "failure", example: '{"http_status":429}' };

/** Blocks of answers, one a line, for the lines of a stream of UTF-8 bytes; `onRefused` is told of each that is none. */
export function classifyLines(
  input: AsyncIterable<Uint8Array>,
  onRefused: (message: string) => void,
): AsyncGenerator<string> {
  return mapObjects(input, wording, (failure) => classifyFailure(withInstant(failure)), onRefused);
}

/** Dates in headers are relative to when they were sent; a failure that does not say when is taken as happening now. */
function withInstant(failure: Failure): Failure {
  const dated = failure.now ||
    Object.keys(failure.headers ?? {}).some((name) => name.toLowerCase() === "date");
  return dated ? failure : { ...failure, now: new Date() };
}

if (import.meta.main) {
  readArguments("classify");
  announceInput("failures, one JSON object a line,");
  await printBlocks(classifyLines(Deno.stdin.readable, (message) => {
    Deno.exitCode = 1;
    console.error(message);
  }));
}
