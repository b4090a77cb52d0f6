import { headersOf, idempotencyKeyOf, type StoredRequest } from "./stored-request.ts";

/** The header that tells an integration's own code that the self-healing repeats a call. */
export const ATTEMPT_HEADER = "x-self-heal-attempt";

/** A request as it is sent again. */
export interface Replay {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string;
}

/**
 * The request to send: as it was, with a token that works, the idempotency key and the tag of self-healing.
 *
 * @param with.url the real address, when the stored one is only a name for it
 * @param with.accessToken put into `Authorization` when the request says `auth: "bearer"`
 * @param with.idempotencyHeader header for the key; without a key of its own the request gets the recovery's id, so that
 *   at least the repetitions are recognised
 */
export function buildReplay(
  request: StoredRequest,
  { recoveryId, url, accessToken, idempotencyHeader }: {
    recoveryId: string;
    url?: string;
    accessToken?: string;
    idempotencyHeader: string | null;
  },
): Replay {
  const headers = headersOf(request);
  if (request.auth === "bearer" && accessToken) headers["authorization"] = `Bearer ${accessToken}`;
  if (idempotencyHeader) {
    headers[idempotencyHeader.toLowerCase()] = idempotencyKeyOf(request, idempotencyHeader) || recoveryId;
  }
  headers[ATTEMPT_HEADER] = recoveryId;
  const method = request.method.toUpperCase();
  const body = method === "GET" || method === "HEAD" ? undefined : request.body;
  return { method, url: url ?? request.url, headers, body };
}
