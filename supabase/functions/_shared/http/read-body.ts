import { HttpError } from "./errors.ts";

/**
 * Reads a request's body with limits on its size and on the time it takes to arrive.
 *
 * @throws {HttpError} `request.too_large` as soon as the size is known or exceeded, `request.timeout`, `request.incomplete`.
 */
export async function readBody(request: Request, maxBytes: number, timeoutMs: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length")) > maxBytes) throw tooLarge(maxBytes);
  if (!request.body) return new Uint8Array();

  const reader = request.body.getReader();
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new HttpError("request.timeout")), timeoutMs);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    while (true) {
      const { done, value } = await Promise.race([reader.read(), deadline.promise]);
      if (done) return concat(chunks, size);
      size += value.byteLength;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {}); // The answer is already decided; the sender may be gone.
    throw error instanceof HttpError ? error : new HttpError("request.incomplete");
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Parses a body as JSON in UTF-8. An empty body means an empty object, so that the schema can name what is missing.
 *
 * @throws {HttpError} `request.invalid_json`.
 */
export function parseJson(body: Uint8Array): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    // The parser's own text quotes the input, which may hold secrets.
    throw new HttpError("request.invalid_json");
  }
}

function tooLarge(maxBytes: number): HttpError {
  return new HttpError("request.too_large", `The body is larger than ${maxBytes} bytes`);
}

function concat(chunks: Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}
