import { classifyFailure } from "../failure/classify.ts";
import type { Classification } from "../failure/failure.ts";

/** What our own guard refuses, now and at every further try: the integration's configuration must change. */
const REFUSED_BY_US = new Set([
  "egress.invalid_url",
  "egress.invalid_request",
  "egress.host_not_allowed",
  "egress.blocked_address",
  "egress.too_large",
]);

/**
 * Classifies a call that got no usable answer.
 *
 * @param code `egress.*`
 */
export function classifyUnanswered(code: string, message: string): Classification {
  const classification = classifyFailure({ error_code: code, error_message: message });
  return REFUSED_BY_US.has(code)
    ? { ...classification, category: "data", owner: "you", advice: message, refreshable: null }
    : { ...classification, category: "network" };
}
