/**
 * `deno task classify`: JSON lines on stdin, one JSON line each on stdout, in the same order. A line that is no JSON
 * object is answered by `{"error": {...}}` in its place, and the exit code is 1 in the end.
 *
 *   echo '{"http_status":429,"headers":{"Retry-After":"7"}}' | npx -y deno@2.9.6 task --quiet classify
 */
import { announceInput, readArguments } from "./command-line.ts";
import { mapLines, printBlocks } from "./lines.ts";
import { classifyFailure } from "../supabase/functions/_shared/core/failure/classify.ts";
import type { Failure } from "../supabase/functions/_shared/core/failure/failure.ts";

/** Blocks of answers, one a line, for the lines of a stream of UTF-8 bytes; `onRefused` is told of each that is none. */
export function classifyLines(
  input: AsyncIterable<Uint8Array>,
  onRefused: (message: string) => void,
): AsyncGenerator<string> {
  let count = 0;
  return mapLines(input, (line) => answer(line, ++count, onRefused));
}

function answer(line: string, number: number, onRefused: (message: string) => void): string {
  const refuse = (code: string, reason: string) => {
    const message = `Cannot classify line ${number}: ${reason}.`;
    onRefused(message);
    return JSON.stringify({ error: { code, message, line: number } });
  };
  let failure: unknown;
  try {
    failure = JSON.parse(line);
  } catch {
    return refuse("failure.no_json", "it is not valid JSON; write one JSON object a line");
  }
  if (typeof failure !== "object" || failure === null || Array.isArray(failure)) {
    return refuse("failure.no_object", 'it is JSON but no object; write one such as {"http_status":429}');
  }
  return JSON.stringify(classifyFailure(withInstant(failure)));
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
