import { isSecretKey, keySecrecy } from "./secret-key.ts";
import { isCardNumber, isProse, REDACTED, SECRET_SHAPES } from "./secret-shapes.ts";

/** Bounds of {@link redactValue}: what lies beyond is cut, because unseen content is not known to be harmless. */
const MAX_DEPTH = 32;
const MAX_NODES = 100_000;
const CUT = "[truncated]";
const MAX_PASSES = 8;

// A field's name, then perhaps a closing bracket or quote, a separator, and an opening quote. Each of these may be
// backslash-escaped (JSON inside a string) or percent-encoded, up to three times over.
const QUOTE = String.raw`\\*["']|%(?:25){0,3}2[27]`;
const SPACE = String.raw`(?:\s|%20){0,8}`;
const FIELD = new RegExp(
  String
    .raw`(?<![\w-])([\w-]+)(?:(?:\[|%5B)?(?:\]|%5D))?(${QUOTE})?${SPACE}(=>|[:=,]|%(?:25){0,3}3[AD])${SPACE}(${QUOTE})?`,
  "gi",
);

/** Values without quotes: up to white space, `&`, a quote, or a comma or semicolon that starts the next field. */
const BARE = /(?:[^\s&"'<>\\,;]|\\(?![nrt"'])|[,;](?!\s|$|[\w.-]{1,40}[=:]))+/y;
const JSON_BARE = /[^\s,}\]&"'\\]+/y;
const ENCODED = /(?:[^\s&"'<>\\%]|%(?!(?:25){0,3}(?:26|22|27|20|0A|0D|7D|2C))[0-9A-F]{2})+/iy;
/** Header-like values hold spaces and commas: a scheme with its credential, else the rest of the line. */
const CREDENTIAL = /(?:Bearer|Basic|Token|DPoP|ApiKey)(?:\s|%20|\+){1,4}[^\s"'\\,;&]+/iy;
const REST_OF_LINE = /(?:=\\*"[^"\r\n\\]*\\*"|[^\r\n"'\\&])+/y;
const HEADER_LIKE = /(?:authorization|cookie|signature)s?$/i;
const XML_FIELD = /<((?:[\w-]{1,40}:)?[\w-]{1,64})(\s[^<>]{0,200})?>([^<]+)/g;

/**
 * Hides the secrets of a text: values of secret-sounding fields (`password=`, `"api_key": "…"`, `Cookie: …`, query
 * parameters; also escaped or percent-encoded) and values that look like secrets anywhere (tokens of known providers,
 * JWTs, bearer credentials, webhook addresses, URL passwords, private keys, card numbers, long random strings).
 *
 * @param text any text, any length; the work is linear in it
 * @returns the text with each secret replaced by `[redacted]`; redacting it again changes nothing. Names stay.
 */
export function redactText(text: string): string {
  let result = text;
  // What is hidden can bring a name and another value together, so look again until nothing changes.
  for (let pass = 0, before = ""; pass < MAX_PASSES && result !== before; pass++) {
    before = result;
    result = redactOnce(before);
  }
  return result;
}

function redactOnce(text: string): string {
  const result = redactFields(text).replace(
    XML_FIELD,
    (match, name: string, attributes = "") => isSecretKey(name) ? `<${name}${attributes}>${REDACTED}` : match,
  );
  return SECRET_SHAPES.reduce(
    (text, { pattern, replace }) => text.replace(pattern, replace ?? (() => REDACTED)),
    result,
  );
}

function redactFields(text: string): string {
  FIELD.lastIndex = 0;
  let result = "";
  let copied = 0;
  for (let match = FIELD.exec(text); match; match = FIELD.exec(text)) {
    const end = FIELD.lastIndex;
    const secret = secretAt(text, match, end);
    // Continue right behind the name: what follows it may itself be a name ("a=token=b").
    FIELD.lastIndex = secret ? Math.max(secret.end, end) : match.index + match[1]!.length;
    if (!secret) continue;
    result += text.slice(copied, end) + secret.replacement;
    copied = secret.end;
  }
  return result + text.slice(copied);
}

/** The secret value that starts at `at`, behind a matched field name; undefined when there is nothing to hide. */
function secretAt(text: string, match: RegExpExecArray, at: number) {
  const [name = "", keyQuote = "", separator = "", quote] = match.slice(1) as (string | undefined)[];
  const secrecy = secrecyInText(text, match.index, name);
  if (secrecy === "none" || text.startsWith(REDACTED, at)) return;
  if (quote) {
    const end = endOfQuoted(text, at, quote);
    if (separator === "," && !(keyQuote && isOpaque(text.slice(at, end)))) return;
    return end > at ? { end, replacement: REDACTED } : undefined;
  }
  if (separator === ",") return;
  if (text[at] === "{" || text[at] === "[") {
    return { end: endOfNested(text, at, keyQuote), replacement: keyQuote + REDACTED + keyQuote };
  }
  const value = bareValue(text, at, name, separator, keyQuote);
  if (value === "" || /^(?:null|true|false|undefined|none)$/i.test(value)) return;
  if (/tokens$/i.test(name) && /^\d+$/.test(value)) return; // a count: max_tokens, total_tokens
  if (keyQuote) return { end: at + value.length, replacement: keyQuote + REDACTED + keyQuote };
  const prose = secrecy === "ambiguous" && separator === ":" && (value.length < 4 || isProse(value));
  return prose ? undefined : { end: at + value.length, replacement: REDACTED };
}

function secrecyInText(text: string, start: number, name: string) {
  const before = text[start - 1] ?? "";
  // The name may have swallowed the end of an escape: \npassword=, %0Apassword%3D.
  const bare = before === "\\" ? name.slice(1) : name.replace(/^(?:25){0,3}[0-9A-F]{2}/i, "");
  const names = before === "\\" || before === "%" ? [name, bare] : [name];
  const found = names.map(keySecrecy).find((secrecy) => secrecy !== "none") ?? "none";
  if (found !== "query") return found;
  const inQuery = /[?&;]/.test(before) ||
    /%(?:25)*(?:3F|26)$/i.test(text.slice(Math.max(0, start - 9), start + 2));
  const startsForm = start === 0 && /^code=[\w%./~-]{1,512}&/.test(text.slice(0, 520));
  return inQuery || startsForm ? "secret" : "none";
}

function bareValue(text: string, at: number, name: string, separator: string, keyQuote: string): string {
  const matchAt = (pattern: RegExp) => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0] ?? "";
  };
  if (separator.startsWith("%")) return matchAt(ENCODED);
  if (keyQuote) return matchAt(CREDENTIAL) || matchAt(JSON_BARE);
  if (HEADER_LIKE.test(name)) {
    const value = matchAt(CREDENTIAL) ||
      (separator === ":" || !/signature$/i.test(name) ? matchAt(REST_OF_LINE) : "");
    if (value) return value.trimEnd();
  }
  return matchAt(BARE).replace(/[)\]}.]{1,9}$/, "");
}

/**
 * Index of the end of a quoted value. With `level` backslashes before the opening quote, a quote inside the value has
 * more; twice as many belong to a backslash that ends the value.
 */
function endOfQuoted(text: string, from: number, quote: string): number {
  if (quote.startsWith("%")) {
    const end = text.indexOf(quote, from);
    return end < 0 ? text.length : end;
  }
  const level = quote.length - 1;
  const mark = quote[level]!;
  for (let end = text.indexOf(mark, from); end >= 0; end = text.indexOf(mark, end + 1)) {
    let slashes = 0;
    while (end - slashes > from && text[end - 1 - slashes] === "\\") slashes++;
    if (slashes < level || slashes % (2 * level + 2) === level) return end - Math.min(slashes, level);
  }
  return text.length;
}

/** Index behind the bracket that closes the list or object opened at `from`; the end of the text when none does. */
function endOfNested(text: string, from: number, quote: string): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (quote && text.startsWith(quote, i)) i = endOfQuoted(text, i + quote.length, quote) + quote.length;
    if (text[i] === "{" || text[i] === "[") depth++;
    if ((text[i] === "}" || text[i] === "]") && --depth === 0) return i + 1;
  }
  return text.length;
}

/**
 * Hides the secrets of a JSON-like value: whatever stands under a secret-sounding name, and in every other string
 * (names too) what {@link redactText} would hide. Other values keep their type and place.
 *
 * @param value anything; errors, URLs and headers become plain data, cycles `[circular]`, and what lies deeper than
 *   32 levels or beyond 100,000 entries `[truncated]`
 * @returns a redacted copy; never throws
 */
export function redactValue(value: unknown): unknown {
  const budget = { nodes: MAX_NODES };
  return redactNode(value, new Set(), budget);
}

function redactNode(value: unknown, parents: Set<object>, budget: { nodes: number }): unknown {
  if (--budget.nodes < 0) return CUT;
  if (typeof value === "string") return redactText(value);
  if (typeof value === "number" || typeof value === "bigint") {
    return isCardNumber(String(value)) ? REDACTED : value;
  }
  // As in JSON. A function kept as toJSON would bring the original back.
  if (typeof value === "function" || typeof value === "symbol") return undefined;
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (parents.has(value)) return "[circular]";
  if (parents.size >= MAX_DEPTH) return CUT;
  parents.add(value);
  try {
    if ("toJSON" in value && typeof value.toJSON === "function") {
      return redactNode(value.toJSON(), parents, budget);
    }
    if (Array.isArray(value)) return redactList(value.slice(0, MAX_NODES), parents, budget);
    if (value instanceof Set) return redactList([...value], parents, budget);
    return redactEntries(entriesOf(value), parents, budget);
  } catch {
    return "[unreadable]"; // a getter or proxy that throws
  } finally {
    parents.delete(value);
  }
}

function entriesOf(value: object): [string, unknown][] {
  if (value instanceof Headers || value instanceof URLSearchParams) return [...value];
  if (value instanceof Map) return [...value].map(([name, item]) => [String(name), item]);
  if (value instanceof Error) {
    const { name, message, cause } = value;
    return [
      ["name", name],
      ["message", message],
      ...(cause ? [["cause", cause] as [string, unknown]] : []),
      ...Object.entries(value),
    ];
  }
  return Object.entries(value);
}

/** In a list, too, a secret may follow its name: ["x-api-key", "…"]. Words are a list of names: ["token", "email"]. */
function redactList(list: unknown[], parents: Set<object>, budget: { nodes: number }): unknown[] {
  return list.map((item, index) => {
    const before = list[index - 1];
    const named = typeof before === "string" && isSecretKey(before);
    const shown = redactNode(item, parents, budget);
    return named && typeof item === "string" && (shown !== item || isOpaque(item)) ? REDACTED : shown;
  });
}

/** Whether a string is neither a word nor the name of another secret. */
function isOpaque(value: string): boolean {
  return value !== "" && !isProse(value) && !(/^[\w-]{1,64}$/.test(value) && isSecretKey(value));
}

function redactEntries(entries: [string, unknown][], parents: Set<object>, budget: { nodes: number }) {
  const result = new Map<string, unknown>();
  // Lists of {name, value} hold headers, cookies and form fields in many APIs.
  const label = entries.find(([name]) => name === "name" || name === "key")?.[1];
  const labelled = typeof label === "string" && isSecretKey(label);
  for (const [name, item] of entries) {
    let shown = redactText(name);
    if (shown !== name) { while (result.has(shown)) shown += "'"; }
    const secret = isSecretKey(name) || (labelled && name === "value");
    result.set(shown, secret ? hide(name, item) : redactNode(item, parents, budget));
  }
  return Object.fromEntries(result);
}

/** Absent values, flags and counts of tokens say something and hide nothing. */
function hide(name: string, item: unknown): unknown {
  if (item === null || item === undefined || item === "" || typeof item === "boolean") return item;
  return /tokens$/i.test(name) && /^\d+$/.test(String(item)) ? item : REDACTED;
}

/**
 * Hides the credentials of HTTP headers.
 *
 * @param headers a `Headers` object or a plain record
 * @returns a plain record with the same names
 */
export function redactHeaders(headers: Headers | Record<string, string>): Record<string, string> {
  return redactEntries(entriesOf(headers), new Set(), { nodes: MAX_NODES }) as Record<string, string>;
}
