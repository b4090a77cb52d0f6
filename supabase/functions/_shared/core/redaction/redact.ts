import { isOpaque, redactText } from "./redact-text.ts";
import { isSecretKey } from "./secret-key.ts";
import { isCardNumber, REDACTED } from "./secret-shapes.ts";

export { redactText };

/** Bounds of {@link redactValue}: what lies beyond is cut, because unseen content is not known to be harmless. */
const MAX_DEPTH = 32;
const MAX_NODES = 100_000;
const CUT = "[truncated]";

/**
 * Hides the secrets of a JSON-like value: whatever stands under a secret-sounding name, and in every other string
 * (names too) what {@link redactText} would hide. Other values keep their type and place.
 *
 * @param value anything; errors, URLs and headers become plain data, big integers text, cycles `[circular]`, and what
 *   lies deeper than 32 levels or beyond 100,000 entries `[truncated]`
 * @returns a redacted copy; never throws
 */
export function redactValue(value: unknown): unknown {
  const budget = { nodes: MAX_NODES };
  return redactNode(value, new Set(), budget);
}

function redactNode(value: unknown, parents: Set<object>, budget: { nodes: number }): unknown {
  if (--budget.nodes < 0) return CUT;
  if (typeof value === "string") return redactText(value);
  if (typeof value === "number") return isCardNumber(String(value)) ? REDACTED : value;
  if (typeof value === "bigint") return redactText(String(value)); // JSON has no form for it.
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

/** A count of tokens, or the time until more may be used: "4096", "6m0s", "17.5ms". */
const TOKEN_COUNT = /^\d[\d.dhms]{0,20}$/;

/** Absent values, flags and counts of tokens say something and hide nothing. */
function hide(name: string, item: unknown): unknown {
  if (item === null || item === undefined || item === "" || typeof item === "boolean") return item;
  return /tokens$/i.test(name) && TOKEN_COUNT.test(String(item)) ? item : REDACTED;
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
