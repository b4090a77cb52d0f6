/** Text from standard input to standard output, line by line. */

/**
 * Answers each line of a stream of UTF-8 bytes, whose pieces end anywhere, with one line; yields blocks of whole lines.
 *
 * @param answer gets a line without its end and returns the answer without one
 */
export async function* mapLines(
  input: AsyncIterable<Uint8Array>,
  answer: (line: string) => string,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const toLine = (line: string) => answer(line.replace(/\r$/, "")) + "\n";
  let rest = "";
  for await (const bytes of input) {
    const lines = decoder.decode(bytes, { stream: true }).split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? "";
    if (lines.length > 0) yield lines.map(toLine).join("");
  }
  rest += decoder.decode();
  if (rest !== "") yield toLine(rest);
}

/** Prints blocks until there are no more, or the reader has seen enough (`| head`). */
export async function printBlocks(blocks: AsyncIterable<string>): Promise<void> {
  const output = Deno.stdout.writable.getWriter();
  const encoder = new TextEncoder();
  try {
    for await (const block of blocks) await output.write(encoder.encode(block));
  } catch (problem) {
    if (!(problem instanceof Deno.errors.BrokenPipe)) throw problem;
  }
}
