/**
 * Classifies failures: JSON lines on stdin, one JSON line each on stdout, in the same order. A line that is no JSON
 * object is answered by `{"error": {...}}` in its place, and the exit code is 1 in the end.
 *
 *   echo '{"http_status":429,"headers":{"Retry-After":"7"}}' | npx -y deno@2.9.6 task --quiet classify
 */
import { classifyFailure } from "../supabase/functions/_shared/core/failure/classify.ts";
import type { Failure } from "../supabase/functions/_shared/core/failure/failure.ts";

/** Cuts a stream of UTF-8 bytes, whose pieces end anywhere, into blocks of answers, one a line. */
export async function* classifyLines(
  input: AsyncIterable<Uint8Array>,
  onRefused: (message: string) => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let count = 0;
  const toLine = (line: string) => answer(line, ++count, onRefused) + "\n";
  for await (const bytes of input) {
    const lines = decoder.decode(bytes, { stream: true }).split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? "";
    if (lines.length > 0) yield lines.map(toLine).join("");
  }
  rest += decoder.decode();
  if (rest !== "") yield toLine(rest);
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
  const output = Deno.stdout.writable.getWriter();
  const encoder = new TextEncoder();
  const onRefused = (message: string) => {
    Deno.exitCode = 1;
    console.error(message);
  };
  try {
    for await (const block of classifyLines(Deno.stdin.readable, onRefused)) {
      await output.write(encoder.encode(block));
    }
  } catch (problem) {
    if (!(problem instanceof Deno.errors.BrokenPipe)) throw problem; // the reader has seen enough ("| head")
  }
}
