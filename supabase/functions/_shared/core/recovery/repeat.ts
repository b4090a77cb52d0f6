import type { Category } from "../failure/failure.ts";
import { idempotencyKeyOf, type StoredRequest } from "./stored-request.ts";

/** Methods whose repetition has no second effect (RFC 9110, section 9.2.2). */
const IDEMPOTENT = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"]);

/** Statuses by which a server says that it did not process the request. */
const REFUSED_STATUSES = new Set([401, 403, 429]);

/** Codes and texts of connections that never came about, of our own breaker and of safe mode: nothing was sent. */
const NOT_SENT = new RegExp(
  [
    "ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|connection refused",
    "getaddrinfo|name resolution|dns (?:error|lookup)|no such host",
    "circuit_open|safe_mode\\.(?:active|unknown)|egress\\.(?:dns|blocked|invalid|host)",
    "CERT_|_CERT\\b|x509:|certificate (?:has expired|verif|of \\S{1,255} was not accepted)",
    "(?:issuer|peer|signed|first|verify) certificate",
  ].join("|"),
  "i",
);

/** What is known about the call that failed. */
export interface FailedCall {
  category: Category;
  httpStatus: number | null;
  errorCode: string | null;
  errorMessage: string | null;
}

/**
 * Whether a request may be sent again without the risk of a second effect: its method is idempotent, the provider will
 * recognise its idempotency key, or the failure proves that it was not processed.
 *
 * @param idempotencyHeader the header by which the provider recognises repetitions; null when it has none
 */
export function isRepeatSafe(
  request: StoredRequest,
  failed: FailedCall,
  idempotencyHeader: string | null,
): boolean {
  return IDEMPOTENT.has(request.method.toUpperCase()) ||
    Boolean(idempotencyKeyOf(request, idempotencyHeader)) ||
    wasNotProcessed(failed);
}

function wasNotProcessed({ category, httpStatus, errorCode, errorMessage }: FailedCall): boolean {
  const status = httpStatus ?? 0;
  if (REFUSED_STATUSES.has(status)) return true;
  // Whoever says "token expired" or "slow down" refused to do anything; AWS throttles with 503.
  if (category === "auth" && status < 500) return true;
  if (category === "rate_limit" && (status < 500 || status === 503)) return true;
  if (status > 0) return false;
  return NOT_SENT.test(errorCode ?? "") || NOT_SENT.test((errorMessage ?? "").slice(0, 2_000));
}
