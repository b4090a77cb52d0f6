import { ADVICE } from "./advice.ts";
import { type Evidence, gather, WEIGHTS } from "./evidence.ts";
import { extractClues } from "./extract.ts";
import type { Category, Classification, Failure, Verdict } from "./failure.ts";
import { hasStaticCredentials } from "./lexicon.ts";
import { parseRetryAfter } from "./retry-after.ts";

/**
 * Says what kind of failure this is, who must act and how long to wait. Never throws: whatever the provider sent is
 * evidence, and without evidence the category is "unknown".
 */
export function classifyFailure(failure: Failure): Classification {
  const clues = extractClues(failure);
  const evidence = gather(failure, clues).sort((a, b) => b.weight - a.weight);
  const top = evidence[0];
  const verdict = top?.verdict ?? "unknown";
  const category = categoryOf(verdict);
  const agreeing = evidence.filter((item) => categoryOf(item.verdict) === category);
  const signals = [...new Set(agreeing.map((item) => item.signal))].slice(0, 8);
  const finest = category === "auth" ? settleAuth(failure, agreeing) : verdict;
  return {
    category,
    confidence: top ? confidenceOf(top, evidence) : 0.5,
    signals: signals.length > 0 ? signals : ["No pattern match"],
    advice: ADVICE[finest].advice,
    owner: ADVICE[finest].owner,
    retry_after_seconds: parseRetryAfter({
      headers: failure.headers,
      body: failure.body,
      message: failure.error_message,
      now: failure.now,
      limited: category === "rate_limit",
    }),
    refreshable: finest === "auth.refresh" ? true : finest === "auth.final" ? false : null,
  };
}

function categoryOf(verdict: Verdict): Category {
  return verdict.split(".", 1)[0] as Category;
}

/** Whether a fresh token helps is told by the heaviest evidence that knows, not by "unauthorized". */
function settleAuth(failure: Failure, agreeing: Evidence[]): Verdict {
  if (hasStaticCredentials(failure)) return "auth.final";
  return agreeing.find((item) => item.verdict !== "auth.unclear" && item.weight >= WEIGHTS.code.general)
    ?.verdict ??
    agreeing[0]?.verdict ?? "auth.unclear";
}

/** The weight of the deciding evidence, raised by agreement and lowered by contradiction of similar weight. */
function confidenceOf(top: Evidence, evidence: Evidence[]): number {
  let confidence = 0.45 + top.weight / 200;
  for (const item of evidence) {
    if (item === top) continue;
    if (categoryOf(item.verdict) === categoryOf(top.verdict)) confidence += 0.03;
    else confidence -= 0.15 * (item.weight / top.weight) ** 2;
  }
  return Math.round(Math.min(0.99, Math.max(0.3, confidence)) * 100) / 100;
}
