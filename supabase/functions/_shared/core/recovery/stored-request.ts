import { redactHeaders, redactText, redactValue } from "../redaction/redact.ts";

/** A request in the form in which it can be kept and repeated: without secrets. */
export interface StoredRequest {
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: string;
  /** What the first call sent in the provider's idempotency header, if it has one. */
  idempotency_key?: string | null;
  /** `bearer`: the grant's access token is put into `Authorization` when the request is sent. */
  auth?: "bearer" | null;
  /** Name of the setting whose value is the real URL, because the URL itself is a secret. */
  url_secret?: string | null;
  /** Version of the access token that the first call used. */
  token_version?: number | null;
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
  const hidden = redactText(request.url) !== request.url ||
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
