import type { Classification } from "../_shared/core/failure/failure.ts";
import { isRepeatSafe } from "../_shared/core/recovery/repeat.ts";
import type { StoredRequest } from "../_shared/core/recovery/stored-request.ts";
import type { CallAnswer } from "./call-again.ts";
import type { WorkItem } from "./recovery-store.ts";

/** Providers forget idempotency keys after a day (Stripe: "at least 24 hours"); an hour less is certain. */
const KEY_LIFE_MS = 23 * 3_600_000;

/** What is known of a call whose worker died. */
const UNKNOWN = { category: "unknown", httpStatus: null, errorCode: null, errorMessage: null } as const;

/** Whether a round's first call is safe. Later rounds were found safe when they were scheduled. */
export function mayBeSent(work: WorkItem, request: StoredRequest, now: number): boolean {
  const keyLives = now - Date.parse(work.created_at) < KEY_LIFE_MS;
  const header = keyLives ? work.idempotency_header : null;
  const afterTheFailure = isRepeatSafe(request, {
    category: work.category,
    httpStatus: work.http_status,
    errorCode: work.error_code,
    errorMessage: work.failure_reason,
  }, header);
  const afterAnything = isRepeatSafe(keyed(request, work), UNKNOWN, header);
  if (work.taken_over) return afterTheFailure && afterAnything;
  return work.attempts === 0 ? afterTheFailure : keyLives || afterAnything;
}

/** Whether a call that this worker made, and that failed, may be sent once more. */
export function mayBeSentAgain(
  work: WorkItem,
  request: StoredRequest,
  { sent, failure, status, code, reason }: CallAnswer & { failure: Classification },
): boolean {
  const failed = { category: failure.category, httpStatus: status, errorCode: code, errorMessage: reason };
  return !sent || isRepeatSafe(keyed(request, work), failed, work.idempotency_header);
}

/** Our own calls always carry a key where the provider has a header for it. */
function keyed(request: StoredRequest, work: WorkItem): StoredRequest {
  return { ...request, idempotency_key: request.idempotency_key || work.recovery_id };
}
