import { EgressError } from "../ports.ts";

/**
 * Reads a response body as text, decompressed where the server compressed it unasked, and gives up as soon as it is
 * larger than allowed, so that neither an endless body nor a small one that unpacks to gigabytes fills the memory.
 *
 * @param maxBytes Limit of the unpacked body.
 * @throws {EgressError} `egress.too_large`, `egress.connection` when it does not unpack; errors of the stream pass.
 */
export async function readText(
  body: AsyncIterable<Uint8Array>,
  encoding: string | undefined,
  maxBytes: number,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of unpack(body, encoding)) {
    size += chunk.byteLength;
    if (size > maxBytes) {
      throw new EgressError("egress.too_large", `The answer is larger than ${maxBytes} bytes`, true);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function unpack(body: AsyncIterable<Uint8Array>, encoding = ""): AsyncIterable<Uint8Array> {
  const format = encoding.toLowerCase().replace(/^x-/, "");
  if (format !== "gzip" && format !== "deflate") return body;
  return ReadableStream.from(body).pipeThrough(
    new DecompressionStream(format) as ReadableWritablePair<Uint8Array, Uint8Array>,
  );
}
