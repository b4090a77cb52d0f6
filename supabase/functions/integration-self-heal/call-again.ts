import { classifyFailure } from "../_shared/core/failure/classify.ts";
import type { Classification } from "../_shared/core/failure/failure.ts";
import { isSuccess } from "../_shared/core/recovery/is-success.ts";
import type { Replay } from "../_shared/core/recovery/replay.ts";
import { classifyUnanswered } from "../_shared/core/recovery/unanswered.ts";
import { redactValue } from "../_shared/core/redaction/redact.ts";
import { type Clock, type Egress, EgressError } from "../_shared/ports.ts";
import type { WorkItem } from "./recovery-store.ts";

const MAX_REASON = 2_000;
/** What of a failed answer is looked at; redacting more costs time and tells nothing new. */
const MAX_BODY = 65_536;

/** What a repeated call came to. */
export interface CallAnswer {
  /** Absent after a success. */
  failure?: Classification;
  /** Null when no answer came. */
  status: number | null;
  code: string | null;
  reason: string;
  /** Whether the request may have left. */
  sent: boolean;
}

/** Sends the request once more and classifies what is no success. */
export async function callAgain(
  { egress, clock }: { egress: Egress; clock: Clock },
  work: WorkItem,
  replay: Replay,
  deadline: number,
): Promise<CallAnswer> {
  try {
    const response = await egress.send({
      ...replay,
      timeoutMs: Math.max(1, deadline - clock.now()),
      allowedHosts: work.allowed_hosts,
    });
    if (isSuccess(response)) return { status: response.status, code: null, reason: "", sent: true };
    const body = redactValue(parse(response.body.slice(0, MAX_BODY)));
    const failure = classifyFailure({
      service_name: work.service_name,
      http_status: response.status,
      headers: response.headers,
      body,
      now: new Date(clock.now()),
    });
    const reason = `HTTP ${response.status}: ${typeof body === "string" ? body : JSON.stringify(body)}`;
    return { failure, status: response.status, code: null, reason: reason.slice(0, MAX_REASON), sent: true };
  } catch (error) {
    if (!(error instanceof EgressError)) throw error;
    const { code, message, sent } = error;
    return { failure: classifyUnanswered(code, message), status: null, code, reason: message, sent };
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body; // Text is evidence, too.
  }
}
