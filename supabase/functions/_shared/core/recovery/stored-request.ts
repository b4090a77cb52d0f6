import { z } from "zod";
import { redactHeaders, redactText, redactValue } from "../redaction/redact.ts";

/** A request in the form in which it can be kept and repeated: without secrets. */
export const storedRequest = z.object({
  method: z.string().regex(/^[A-Za-z]{1,20}$/, "must be an HTTP method"),
  url: z.string().max(4_000),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.string().optional(),
  /** What the first call sent in the provider's idempotency header, if it has one. */
  idempotency_key: z.string().max(255).nullish(),
  /** `bearer`: the grant's access token is put into `Authorization` when the request is sent. */
  auth: z.literal("bearer").nullish(),
  /** Name of the setting whose value is the real URL, because the URL itself is a secret. */
  url_secret: z.string().regex(/^\w{1,100}$/, "must be the name of a setting").nullish(),
  /** Version of the access token that the first call used. */
  token_version: z.int().nullish(),
});
export type StoredRequest = z.output<typeof storedRequest>;

/** A request's headers by lower-case name, so that what is put in takes the place of what stood there. */
export function headersOf({ headers }: StoredRequest): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

/**
 * The key by which the provider recognises repetitions of the request: the stated one, else what stands among its
 * headers.
 *
 * @param header the provider's header for such keys; null when it has none
 */
export function idempotencyKeyOf(request: StoredRequest, header: string | null): string | null {
  return header && (request.idempotency_key || headersOf(request)[header.toLowerCase()] || null);
}

/** Headers that hold nothing but what is put in anew when the request is repeated. */
const INJECTED = /^authorization$/i;

/**
 * The request as it may be stored, or null when it cannot be kept without a secret: what was hidden would be missing
 * when it is repeated, and a provider must never be sent `[redacted]`.
 */
export function storableRequest(request: StoredRequest): StoredRequest | null {
  const headers = Object.fromEntries(
    Object.entries(request.headers ?? {}).filter(([name]) =>
      request.auth !== "bearer" || !INJECTED.test(name)
    ),
  );
  const address = `${request.url} ${request.url_secret ?? ""}`;
  const hidden = redactText(address) !== address ||
    !equal(redactHeaders(headers), headers) ||
    (request.body !== undefined && holdsSecrets(request.body));
  return hidden ? null : { ...request, headers };
}

function holdsSecrets(body: string): boolean {
  const parsed = parse(body);
  return parsed === undefined ? redactText(body) !== body : !equal(redactValue(parsed), parsed);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not JSON: judged as text.
  }
}

function equal(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
