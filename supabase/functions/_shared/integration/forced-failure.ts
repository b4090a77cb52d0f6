import { storableRequest, type StoredRequest } from "../core/recovery/stored-request.ts";
import type { Journal } from "./journal.ts";

/** The failures that a caller can ask for in development. */
const FAILURES: Record<string, { http_status: number; error_code: string; error_message: string }> = {
  auth: { http_status: 401, error_code: "invalid_token", error_message: "Token expired" },
  rate_limit: { http_status: 429, error_code: "rate_limit_exceeded", error_message: "Too many requests" },
  network: {
    http_status: 503,
    error_code: "service_unavailable",
    error_message: "Service temporarily unavailable",
  },
  data: { http_status: 400, error_code: "validation_error", error_message: "Invalid payload structure" },
};

/**
 * Pretends that a call failed as the header `X-Force-Failure` asks (auth, rate_limit, network or data), so that healing
 * can be tried out: it is recorded, reported and healed like a real failure. Only in development.
 *
 * @param call.event_type what is recorded, for example `alert.failed`
 * @param call.request what would have been sent; healing sends it where it would have been repeated
 * @returns the answer with the failure's status, or null when none is asked for
 */
export async function forceFailure(
  request: Request,
  { request: stored, ...call }: { service_name: string; event_type: string; request?: StoredRequest },
  { journal, development }: { journal: Journal; development: boolean },
): Promise<Response | null> {
  const asked = request.headers.get("x-force-failure");
  if (!development || asked === null || !Object.hasOwn(FAILURES, asked)) return null;
  const failure = FAILURES[asked]!;
  const eventId = await journal.failed({
    ...{ ...call, ...failure, payload: { ...failure, forced: true } },
    request: stored && storableRequest(stored),
  });
  return Response.json({ error: failure.error_message }, {
    status: failure.http_status,
    headers: { "x-event-id": eventId },
  });
}
