import type { Verdict } from "./failure.ts";
import { CRASHES } from "./phrases/crashes.ts";
import * as credentials from "./phrases/credentials.ts";
import { PLANS, SIZES, THROUGHPUT } from "./phrases/limits.ts";
import * as abroad from "./phrases/other-languages.ts";
import { COMPLAINTS, NOT_OFFERED, OTHER_TOKENS, PAYMENTS, RECIPIENTS } from "./phrases/requests.ts";
import { OUTAGES, TRANSPORT } from "./phrases/transport.ts";

/** How far words are to be trusted: decisive ones beat a general code, weak ones only tip a balance. */
export type Strength = "decisive" | "strong" | "weak";

export interface Phrase {
  verdict: Verdict;
  strength: Strength;
  pattern: RegExp;
}

/**
 * What texts, and codes spelled out as words ("RateLimitExceeded" reads "rate limit exceeded"), say in general. All are
 * matched against lower-case text with single blanks and no underscores. Within a strength the first that matches
 * counts, so exceptions stand before the rule. Gaps are bounded (`.{0,30}`), which keeps every pattern linear.
 */
const TABLE: readonly [Verdict, Strength, readonly RegExp[]][] = [
  ["unknown", "decisive", CRASHES],
  ["auth.final", "decisive", credentials.LOGIN_PAIRS],
  ["data", "decisive", [...RECIPIENTS, ...OTHER_TOKENS, ...SIZES]],
  ["rate_limit", "decisive", THROUGHPUT], // before plans: "upgrade to raise your calls per minute"
  ["data", "decisive", PLANS],
  ["auth.unclear", "decisive", credentials.REFUSED_HANDSHAKES],
  ["auth.refresh", "decisive", credentials.STALE_OR_REVOKED],
  ["auth.final", "decisive", credentials.PASSWORDS],
  ["data", "decisive", NOT_OFFERED],
  ["network", "decisive", TRANSPORT],
  ["network.outage", "decisive", OUTAGES],
  ["data", "decisive", PAYMENTS],
  ["auth.final", "decisive", credentials.GRANTS_AND_KEYS],
  ["auth.refresh", "decisive", credentials.EXPIRED_TOKENS],
  ["auth.final", "decisive", credentials.PERMISSIONS],
  ["auth.refresh", "decisive", credentials.STALE_TOKENS],
  ["rate_limit", "decisive", abroad.TOO_OFTEN],
  ["data", "decisive", abroad.UNPAID],
  ["auth.final", "decisive", abroad.REFUSALS],
  ["auth.refresh", "decisive", abroad.STALE_TOKENS],
  ["network", "decisive", abroad.TRANSPORT],
  ["network.outage", "decisive", abroad.OUTAGES],

  ["auth.final", "strong", [/not (?:permitted|entitled)/]],
  ["auth.unclear", "strong", [...credentials.LOGINS, ...abroad.LOGINS]],
  ["data", "strong", [...COMPLAINTS, ...abroad.COMPLAINTS]],
  ["network", "strong", [/certificate/]],

  ["auth.final", "weak", [
    /forbidden|permission|privilege|credential|password|\bscope|not allowed|blocked|access/,
    /suspended|banned/,
  ]],
  ["auth.unclear", "weak", [/\bauth|unauthor|\blog ?in\b|\btoken|jwt|oauth|session/]],
  ["rate_limit", "weak", [/\blimit|quota|exhausted|\bcap\b|exceeded/]],
  ["network.outage", "weak", [
    /unavailable|try again|again later|retry|temporar|outage|crash|maintenance|busy|internal|failure/,
  ]],
  ["network", "weak", [/network|connect|time-?out|socket|unreachable|transport|proxy|gateway/]],
  ["data", "weak", [
    /^no \w+|\bcan(?:no|')?t \w+|invalid|illegal|missing|required|unknown|incorrect|malformed/,
    /refus|exists|deleted|inactive|cannot|unable|bad\b|expected|format|param|field|declin/,
  ]],
];

/** The table above, compiled: one alternation per entry, so that a text is scanned a few times only. */
export const PHRASES: readonly Phrase[] = TABLE.map(([verdict, strength, patterns]) => ({
  verdict,
  strength,
  pattern: new RegExp(patterns.map((part) => part.source).join("|")),
}));
