/** JSON objects from standard input, one a line. */
import { mapLines } from "./lines.ts";

/** What the objects are, for messages. */
export interface Wording {
  /** What is done with one: `classify`. */
  verb: string;
  /** Its codes begin with it: `failure`. */
  noun: string;
  example: string;
}

/**
 * Answers each line of a stream of UTF-8 bytes with one line of JSON, in the same order. A line that is no JSON object is
 * answered by `{"error": {"code", "message", "line"}}` in its place, so that answers and lines stay aligned.
 *
 * @param onRefused is told of each line that is no JSON object
 * @returns blocks of whole lines
 */
export function mapObjects(
  input: AsyncIterable<Uint8Array>,
  { verb, noun, example }: Wording,
  answer: (object: Record<string, unknown>) => unknown,
  onRefused: (message: string) => void,
): AsyncGenerator<string> {
  let number = 0;
  const refuse = (problem: string, reason: string) => {
    const message = `Cannot ${verb} line ${number}: ${reason}.`;
    onRefused(message);
    return JSON.stringify({ error: { code: `${noun}.${problem}`, message, line: number } });
  };
  return mapLines(input, (line) => {
    number++;
    let object: unknown;
    try {
      object = JSON.parse(line);
    } catch {
      return refuse("no_json", "it is not valid JSON; write one JSON object a line");
    }
    if (typeof object !== "object" || object === null || Array.isArray(object)) {
      return refuse("no_object", `it is JSON but no object; write one such as ${example}`);
    }
    return JSON.stringify(answer(object as Record<string, unknown>));
  });
}
