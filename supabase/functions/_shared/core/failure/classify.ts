import { ADVICE } from "./advice.ts";
import { CODES, SQLSTATE_CLASSES } from "./codes.ts";
import { type Clues, extractClues } from "./extract.ts";
import type { Category, Classification, Failure, Verdict } from "./failure.ts";
import { PHRASES, type Strength } from "./phrases.ts";
import { PROVIDER_CODES } from "./provider-codes.ts";
import { parseRetryAfter } from "./retry-after.ts";
import { statusMeaning } from "./statuses.ts";

/** One observation and what it speaks for. */
interface Evidence {
  verdict: Verdict;
  /** 0..100; the heaviest decides. */
  weight: number;
  signal: string;
}

/** Code beats message beats status, except that a text to the point beats a code that is used for everything. */
const WEIGHTS = {
  code: { exact: 100, general: 42, quoted: 96, decisive: 92, strong: 74, weak: 28 },
  message: { decisive: 88, strong: 70, weak: 34 },
  status: { telling: 72, strong: 66, fair: 50, weak: 30 },
} as const;
const FIELD_ERRORS_WEIGHT = 60;
const EXHAUSTED_LIMIT_WEIGHT = 64;

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
  const finest = category === "auth" ? settleAuth(agreeing) : verdict;
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
function settleAuth(agreeing: Evidence[]): Verdict {
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

function gather(failure: Failure, clues: Clues): Evidence[] {
  const evidence: Evidence[] = [];
  const tables = providerTables(failure);
  for (const code of clues.codes) {
    const item = fromCode(code, tables);
    if (item) evidence.push(item);
  }
  for (const message of clues.messages) {
    evidence.push(
      ...fromQuotedCodes(message, tables),
      ...fromWords(spell(message), WEIGHTS.message, "message"),
    );
  }
  if (clues.fieldErrors) {
    evidence.push({ verdict: "data", weight: FIELD_ERRORS_WEIGHT, signal: "errors listed by field" });
  }
  const status = clues.status;
  const ownNumber = !failure.http_status && tables.some((table) => table.has(String(status)));
  if (status !== null && !ownNumber) evidence.push(...fromStatus(status, failure.headers));
  return evidence;
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
  return Object.entries(headers ?? {}).some(([name, value]) =>
    /rate-?limit-?remaining/i.test(name) && Number(value) === 0 && String(value).trim() !== ""
  );
}

interface Meaning {
  verdict: Verdict;
  general: boolean;
}

function fromCode(code: string, tables: Map<string, Meaning>[]): Evidence | null {
  const name = code.replace(/^.*[#]/, "").replace(/^(?:[a-z]+\.)+(?=[A-Z])/, "");
  const meaning = lookUp(name, tables) ?? sqlState(name);
  if (meaning) {
    return {
      verdict: meaning.verdict,
      weight: meaning.general ? WEIGHTS.code.general : WEIGHTS.code.exact,
      signal: code,
    };
  }
  const [item] = fromWords(spell(splitWords(name)), WEIGHTS.code, code);
  return item ? { ...item, signal: code } : null;
}

/** Texts quote codes: "connect ECONNREFUSED", "invalid_grant: Token has been revoked", "NOAUTH Authentication required". */
function fromQuotedCodes(message: string, tables: Map<string, Meaning>[]): Evidence[] {
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
  /\b(?:PGRST|AADSTS|ORA-|ERR_)[A-Z_\d]{3,}|^[A-Z]{3,}\b(?!-)|\bE[A-Z]{4,}\b|\b[A-Za-z]+(?:_[A-Za-z]+){1,6}\b|\b[\w.$]{3,80}(?:Exception|Error|Exceeded)\b/g;

function fromWords(text: string, weights: Record<Strength, number>, source: string): Evidence[] {
  const evidence: Evidence[] = [];
  const seen = new Set<Strength>();
  for (const { verdict, strength, pattern } of PHRASES) {
    if (seen.has(strength)) continue;
    const match = pattern.exec(text);
    if (!match) continue;
    seen.add(strength);
    evidence.push({ verdict, weight: weights[strength], signal: `${source} "${match[0]}"` });
    if (strength === "decisive") break;
  }
  return evidence;
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

function lookUp(code: string, tables: Map<string, Meaning>[]): Meaning | null {
  const key = squash(code);
  const shorter = key.replace(/(?:exception|error|fault)$/, "");
  for (const table of [...tables, LEXICON]) {
    const meaning = table.get(key) ?? table.get(shorter);
    if (meaning) return meaning;
  }
  return null;
}

function sqlState(code: string): Meaning | null {
  if (!/^(?=.*\d)[\dA-Z]{5}$/.test(code)) return null;
  const verdict = SQLSTATE_CLASSES[code.slice(0, 2)];
  return verdict ? { verdict, general: true } : null;
}

/** Codes are compared without case and punctuation, but a number keeps its sign. */
function squash(code: string): string {
  return code.toLowerCase().replace(/(?!^-\d)[^a-z\d]/g, "");
}

function lexicon(codes: Partial<Record<Verdict, readonly string[]>>): Map<string, Meaning> {
  const known = new Map<string, Meaning>();
  for (const [verdict, lines] of Object.entries(codes) as [Verdict, readonly string[]][]) {
    for (const word of lines.flatMap((line) => line.replace(/^[a-z0-9, .]*: /, "").split(" "))) {
      const key = squash(word);
      if (!known.has(key)) known.set(key, { verdict, general: word.startsWith("~") });
    }
  }
  return known;
}

const LEXICON = lexicon(CODES);
const TABLES_BY_NAME = new Map(PROVIDER_CODES.flatMap(({ names, codes }) => {
  const lists = Object.fromEntries(Object.entries(codes).map(([verdict, list]) => [verdict, [list]]));
  const table = lexicon(lists);
  return names.split(" ").map((name) => [name, table] as const);
}));

/** Tables of the provider, found by the words of its name and its service's name. */
function providerTables(failure: Failure): Map<string, Meaning>[] {
  const words = `${failure.provider ?? ""} ${failure.service_name ?? ""}`.slice(0, 200).toLowerCase().split(
    /[^a-z\d]+/,
  );
  return words.flatMap((word) => TABLES_BY_NAME.get(word) ?? []);
}
