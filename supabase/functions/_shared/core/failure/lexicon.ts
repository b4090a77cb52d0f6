import { CODES, SQLSTATE_CLASSES } from "./codes.ts";
import type { Failure, Verdict } from "./failure.ts";
import { PROVIDER_CODES, STATIC_CREDENTIALS } from "./provider-codes.ts";

/** What a code means; a general one is used for many things, so that a text to the point overrules it. */
export interface Meaning {
  verdict: Verdict;
  general: boolean;
}

export type Lexicon = Map<string, Meaning>;

/** The meaning of a code: the provider's own tables first, then what is true everywhere, then SQLSTATE classes. */
export function lookUp(code: string, tables: Lexicon[]): Meaning | null {
  const key = squash(code);
  const shorter = key.replace(/(?:exception|error|fault)$/, "");
  for (const table of [...tables, LEXICON]) {
    const meaning = table.get(key) ?? table.get(shorter);
    if (meaning) return meaning;
  }
  const family = code.indexOf("."); // "AuthFailure.SecretIdNotFound" is an AuthFailure
  return sqlState(code) ?? (family > 0 ? lookUp(code.slice(0, family), tables) : null);
}

function sqlState(code: string): Meaning | null {
  if (!/^(?=.*\d)(?=.*[A-Z])[\dA-Z]{5}$/.test(code)) return null;
  const verdict = SQLSTATE_CLASSES[code.slice(0, 2)];
  return verdict ? { verdict, general: true } : null;
}

/** Codes are compared without case and punctuation, but a number keeps its sign. */
function squash(code: string): string {
  return code.toLowerCase().replace(/(?!^-\d)[^a-z\d]/g, "");
}

function lexicon(codes: Partial<Record<Verdict, readonly string[]>>): Lexicon {
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

const SQLSTATES = TABLES_BY_NAME.get("postgres") ?? new Map();

/**
 * Tables of the provider, found by the words of its name and its service's name. What failed without an HTTP status may
 * be a database whose service is named after its purpose, so that SQLSTATEs of digits only are known there, too.
 */
export function providerTables(failure: Failure): Lexicon[] {
  const tables = nameWords(failure).flatMap((word) => TABLES_BY_NAME.get(word) ?? []);
  return failure.http_status ? tables : [...tables, SQLSTATES];
}

/** True for a provider, found in the same way, whose credentials are configured once and never refreshed. */
export function hasStaticCredentials(failure: Failure): boolean {
  return nameWords(failure).some((word) => STATIC_CREDENTIALS.has(word));
}

function nameWords(failure: Failure): string[] {
  const names = [failure.provider, failure.service_name].filter((name) => typeof name === "string").join(" ");
  return names.slice(0, 200).toLowerCase().split(/[^a-z\d]+/);
}
