/** Levels of lists and objects in a value that is compared with. */
export const MAX_VALUE_DEPTH = 20;

/** What kind of value it is, with its article. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/**
 * Why a value is no JSON that can be compared with, to be read after "requires"; undefined when it is. A value that holds
 * itself is nested too deep.
 */
export function jsonProblem(value: unknown, depth = MAX_VALUE_DEPTH): string | undefined {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (Number.isFinite(value)) return;
  if (typeof value !== "object") return `a value that JSON has, not ${kindOf(value)}`;
  if (depth === 0) return `a value of at most ${MAX_VALUE_DEPTH} levels of lists and objects`;
  for (const part of Object.values(value)) {
    const problem = jsonProblem(part, depth - 1);
    if (problem) return problem;
  }
}

/** Whether two JSON values are the same; the order of an object's keys does not matter. Recursion ends where `value` ends. */
export function jsonEqual(value: unknown, actual: unknown): boolean {
  if (value === actual) return true;
  if (typeof value !== "object" || value === null || typeof actual !== "object" || actual === null) {
    return false;
  }
  if (Array.isArray(value)) return Array.isArray(actual) && listsEqual(value, actual);
  return !Array.isArray(actual) && objectsEqual(value as JsonObject, actual as JsonObject);
}

type JsonObject = Record<string, unknown>;

function listsEqual(value: unknown[], actual: unknown[]): boolean {
  if (value.length !== actual.length) return false;
  for (let i = 0; i < value.length; i++) if (!jsonEqual(value[i], actual[i])) return false;
  return true;
}

/** Loops with `in` because they, unlike Object.keys, allocate nothing. */
function objectsEqual(value: JsonObject, actual: JsonObject): boolean {
  let keys = 0;
  for (const key in value) {
    if (!Object.hasOwn(actual, key) || !jsonEqual(value[key], actual[key])) return false;
    keys++;
  }
  for (const _key in actual) if (--keys < 0) return false;
  return true;
}
