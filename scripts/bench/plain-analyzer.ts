/** The peer of the classifier: four regular expressions in a row. */
import type { Category } from "../../supabase/functions/_shared/core/failure/failure.ts";

const kinds: {
  category: Category;
  confidence: number;
  statuses: number[];
  words?: RegExp;
  advice: string;
}[] = [
  { category: "auth", confidence: 0.95, statuses: [401, 403], advice: "Refresh the token, then retry" },
  {
    category: "rate_limit",
    confidence: 0.95,
    statuses: [429],
    words: /rate.?limit|too.?many.?requests/i,
    advice: "Retry when the limit resets",
  },
  {
    category: "network",
    confidence: 0.9,
    statuses: [408, 500, 502, 503, 504],
    words: /ENOTFOUND|ECONNRESET|ETIMEDOUT|network/i,
    advice: "Retry with growing pauses",
  },
  {
    category: "data",
    confidence: 0.85,
    statuses: [400, 422],
    words: /validation|invalid|schema|required/i,
    advice: "Correct the payload",
  },
];

/** Classifies by status, then by words of the message; the first kind that matches wins. */
export function analyzePlainly(failure: { http_status: number; error_message: string }) {
  const kind = kinds.find(({ statuses, words }) =>
    statuses.includes(failure.http_status) || words?.test(failure.error_message)
  );
  return {
    category: kind?.category ?? "unknown",
    confidence: kind?.confidence ?? 0.5,
    signals: [kind ? `HTTP ${failure.http_status}` : "No pattern match"],
    advice: kind?.advice ?? "Look into it",
  };
}
