import { isSecretKey, keySecrecy } from "./secret-key.ts";
import { isProse, REDACTED, SECRET_SHAPES } from "./secret-shapes.ts";

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

/** Whether a string is neither a word nor the name of another secret. */
export function isOpaque(value: string): boolean {
  return value !== "" && !isProse(value) && !(/^[\w-]{1,64}$/.test(value) && isSecretKey(value));
}
