import type { Clues } from "./extract.ts";
import type { Failure, Verdict } from "./failure.ts";
import { readHeaders } from "./headers.ts";
import { type Lexicon, lookUp, providerTables } from "./lexicon.ts";
import { PHRASES, type Strength } from "./phrases.ts";
import { SECRETS } from "./phrases/credentials.ts";
import { statusMeaning } from "./statuses.ts";

/** One observation and what it speaks for. */
export interface Evidence {
  verdict: Verdict;
  /** 0..100; the heaviest decides. */
  weight: number;
  signal: string;
}

/** Code beats message beats status, except that a text to the point beats a code that is used for everything. */
export const WEIGHTS = {
  code: { exact: 100, general: 42, quoted: 96, decisive: 92, strong: 74, weak: 28 },
  message: { decisive: 88, strong: 70, weak: 34 },
  status: { plain: 90, telling: 72, strong: 66, fair: 50, weak: 30 },
} as const;
const FIELD_ERRORS_WEIGHT = 60;
const EXHAUSTED_LIMIT_WEIGHT = 64;

/** Everything that the clues speak for, in no order. */
export function gather(failure: Failure, clues: Clues): Evidence[] {
  const evidence: Evidence[] = [];
  const tables = providerTables(failure);
  for (const code of clues.codes) {
    const item = fromCode(code, tables);
    if (item) evidence.push(item);
  }
  for (const message of clues.messages) {
    evidence.push(...fromQuotedCodes(message, tables));
    evidence.push(...fromWords(spell(message), WEIGHTS.message, "message"));
  }
  if (clues.fieldErrors) {
    evidence.push({ verdict: "data", weight: FIELD_ERRORS_WEIGHT, signal: "errors listed by field" });
  }
  const status = clues.status;
  const ownNumber = !failure.http_status && tables.some((table) => table.has(String(status)));
  if (status !== null && !ownNumber) evidence.push(...fromStatus(status, failure.headers));
  if (status === 401) evidence.push(...fromRefusal(clues));
  // A crash is a riddle in the caller; one that a server reports with its status is that server's.
  const answered = status !== null && status >= 400;
  return answered ? evidence.filter((item) => item.verdict !== "unknown") : evidence;
}

/** What a 401 that gives no reason was about: a secret that its text names, else what the challenge asks for. */
function fromRefusal({ codes, messages, authSchemes }: Clues): Evidence[] {
  const weight = WEIGHTS.code.general;
  for (const text of [...codes.map(splitWords), ...messages]) {
    const secret = SECRETS.exec(spell(text));
    if (secret) return [{ verdict: "auth.final", weight, signal: `"${secret[0]}" refused` }];
  }
  const [scheme] = authSchemes;
  if (scheme === undefined || authSchemes.includes("oauth")) return []; // OAuth 1.0 has tokens and secrets
  const token = authSchemes.find((name) => name === "bearer" || name === "dpop");
  return [{
    verdict: token ? "auth.refresh" : "auth.final",
    weight,
    signal: `WWW-Authenticate: ${token ?? scheme}`,
  }];
}

function fromStatus(status: number, headers: Failure["headers"]): Evidence[] {
  const meaning = statusMeaning(status);
  if (!meaning) return [];
  const evidence: Evidence[] = [
    { verdict: meaning.verdict, weight: WEIGHTS.status[meaning.strength], signal: `HTTP ${status}` },
  ];
  if (status === 403 && limitUsedUp(headers)) {
    evidence.push({
      verdict: "rate_limit",
      weight: EXHAUSTED_LIMIT_WEIGHT,
      signal: "rate limit headers: 0 remaining",
    });
  }
  return evidence;
}

function limitUsedUp(headers: Failure["headers"]): boolean {
  for (const [name, value] of readHeaders(headers)) {
    if (/rate-?limit-?remaining/.test(name) && /^0(?:\.0+)?$/.test(value.trim())) return true;
  }
  return false;
}

function fromCode(code: string, tables: Lexicon[]): Evidence | null {
  const name = code.replace(/^.*[#]/, "").replace(/^(?:[a-z]+\.)+(?=[A-Z])/, "");
  const meaning = lookUp(name, tables);
  if (meaning) {
    return {
      verdict: meaning.verdict,
      weight: meaning.general ? WEIGHTS.code.general : WEIGHTS.code.exact,
      signal: code,
    };
  }
  const [item] = fromWords(spell(splitWords(name)), WEIGHTS.code, code);
  return item ? { ...item, signal: code.slice(0, 80) } : null;
}

/** Texts quote codes: "connect ECONNREFUSED", "invalid_grant: Token has been revoked", "NOAUTH Authentication required". */
function fromQuotedCodes(message: string, tables: Lexicon[]): Evidence[] {
  const evidence: Evidence[] = [];
  for (const [word] of message.slice(0, 400).matchAll(CODE_IN_TEXT)) {
    const name = word.replace(/^.*\./, "");
    const meaning = lookUp(name, tables);
    if (meaning && !meaning.general) {
      evidence.push({ verdict: meaning.verdict, weight: WEIGHTS.code.quoted, signal: name });
    } else if (!meaning && /[a-z][A-Z]/.test(name)) {
      evidence.push(...fromWords(spell(splitWords(name)), WEIGHTS.message, name));
    }
    if (evidence.length >= 4) break;
  }
  return evidence;
}

const CODE_IN_TEXT =
  /\b(?:PGRST|AADSTS|ORA-|ERR_)[A-Z_\d]{3,}|^[A-Z]{3,}\b(?!-)|^[A-Z][a-z]+(?:[A-Z][a-z]+){1,6}(?=:)|\bE[A-Z]{4,}\b|\b[A-Za-z]+(?:_[A-Za-z]+){1,6}\b|\b[\w.$]{3,80}(?:Exception|Error|Exceeded)\b/g;

function fromWords(text: string, weights: Record<Strength, number>, source: string): Evidence[] {
  const evidence: Evidence[] = [];
  const seen = new Set<Strength>();
  for (const { verdict, strength, pattern } of PHRASES) {
    if (seen.has(strength)) continue;
    const match = pattern.exec(text);
    if (!match) continue;
    seen.add(strength);
    evidence.push({ verdict, weight: weights[strength], signal: `${source} "${mask(match[0])}"` });
    if (strength === "decisive") break;
  }
  return evidence;
}

/** Between the telling words may stand the very key that was refused: what could be one is left out of signals. */
function mask(words: string): string {
  return words.replace(/['"`][^'"`]*['"`]?|[:=] ?\S+|\S*\d\S*|\S{20,}/g, "…");
}

/** "RateLimitExceeded", "rate-limit.exceeded" -> "rate limit exceeded". */
function splitWords(code: string): string {
  return code.replace(/([a-z\d])([A-Z])/g, "$1 $2").replace(/([A-Z])([A-Z][a-z])/g, "$1 $2").replace(
    /[-./:#]+/g,
    " ",
  );
}

function spell(text: string): string {
  return text.toLowerCase().replace(/[_\s]+/g, " ").replace(/[\u2018\u2019]/g, "'").trim();
}
