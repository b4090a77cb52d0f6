/**
 * Classifies failures: JSON lines on stdin, one JSON line each on stdout, in the same order. A line that is no JSON
 * object is answered by `{"error": {...}}` in its place, and the exit code is 1 in the end.
 *
 *   echo '{"http_status":429,"headers":{"Retry-After":"7"}}' | npx -y deno@2.9.6 task --quiet classify
 */
import { classifyFailure } from "../supabase/functions/_shared/core/failure/classify.ts";
import type { Failure } from "../supabase/functions/_shared/core/failure/failure.ts";

let lineNumber = 0;
let refused = 0;

function answer(line: string): string {
  lineNumber++;
  try {
    const failure = JSON.parse(line);
    if (typeof failure !== "object" || failure === null || Array.isArray(failure)) {
      return refuse(
        "failure.no_object",
        'it is JSON but no object; expected an object such as {"http_status":429}',
      );
    }
    return JSON.stringify(classifyFailure(withInstant(failure)));
  } catch (problem) {
    if (!(problem instanceof SyntaxError)) throw problem;
    return refuse("failure.no_json", "it is not valid JSON; write one JSON object a line");
  }
}

/** Dates in headers are relative to when they were sent; a failure that does not say when is taken as happening now. */
function withInstant(failure: Failure): Failure {
  const dated = failure.now ||
    Object.keys(failure.headers ?? {}).some((name) => name.toLowerCase() === "date");
  return dated ? failure : { ...failure, now: new Date() };
}

function refuse(code: string, reason: string): string {
  refused++;
  const message = `Cannot classify line ${lineNumber}: ${reason}.`;
  console.error(message);
  return JSON.stringify({ error: { code, message, line: lineNumber } });
}

async function write(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) written += await Deno.stdout.write(bytes.subarray(written));
}

let rest = "";
try {
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = chunk.split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? "";
    if (lines.length > 0) await write(lines.map(answer).join("\n") + "\n");
  }
  if (rest !== "") await write(answer(rest) + "\n");
} catch (problem) {
  if (!(problem instanceof Deno.errors.BrokenPipe)) throw problem; // the reader has seen enough ("| head")
}
Deno.exit(refused > 0 ? 1 : 0);
