import type { z } from "zod";
import { HttpError } from "./errors.ts";

const MAX_FIELDS = 20;
const MAX_TEXT = 300;

/**
 * Checks a value against a schema.
 *
 * @throws {HttpError} `request.invalid` with up to 20 `{ path, message }`; paths look like `events.0.http_status`.
 */
export function validate<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.slice(0, MAX_FIELDS).map((issue) => ({
    path: issue.path.map(String).join(".").slice(0, MAX_TEXT),
    message: issue.message.slice(0, MAX_TEXT),
  }));
  throw new HttpError("request.invalid", undefined, fields);
}
