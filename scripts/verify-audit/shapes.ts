/** JSON from elsewhere. */
import { z } from "zod";

/** 32 bytes in base64. */
export const hash = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, "is no SHA-256 in base64")
  .transform((text) => Buffer.from(text, "base64"));
export const count = z.int().nonnegative();

/** Why a text cannot be used, as the end of a sentence about it. */
export class Refusal extends Error {}

/** Reads JSON of a shape; throws a {@link Refusal}. */
export function parseJson<Shape extends z.ZodType>(shape: Shape, text: string): z.output<Shape> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Refusal("is no JSON");
  }
  const parsed = shape.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path, message } = { path: [], message: "" }] = parsed.error.issues;
  throw new Refusal(`has no usable ${path.join(".") || "content"} (${message})`);
}
