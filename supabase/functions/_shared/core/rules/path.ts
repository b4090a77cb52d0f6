/**
 * The keys that a field's name leads along.
 *
 * @param field dots lead into objects and arrays, an index may stand in brackets: `items.0.sku` is `items[0].sku`.
 *   A backslash makes the dot, bracket or backslash behind it a part of the key: `http\.status`.
 */
export function parsePath(field: string): string[] {
  const keys: string[] = [];
  let key = "";
  for (let i = 0; i < field.length; i++) {
    const index = field[i] === "[" ? indexAt(field, i) : undefined;
    if (index !== undefined) {
      // An index begins a key of its own, unless no other stands before it.
      if (i > 0) keys.push(key);
      key = index;
      i += index.length + 1;
    } else if (field[i] === ".") {
      keys.push(key);
      key = "";
    } else {
      if (field[i] === "\\" && ESCAPABLE.test(field.charAt(i + 1))) i++;
      key += field[i];
    }
  }
  return [...keys, key];
}

const ESCAPABLE = /[.[\\]/;
const INDEX = /^\[(0|[1-9][0-9]{0,9})\](?=[.[]|$)/;

/** The index in the brackets that open at `from`; undefined where they are part of a name. */
function indexAt(field: string, from: number): string | undefined {
  return INDEX.exec(field.slice(from, from + 14))?.[1];
}

/**
 * What a path leads to: own properties of objects and elements of arrays, nothing else, so that a path never leaves
 * the data (`__proto__`, `constructor`, `length` of a list).
 *
 * @param event any value; only objects and arrays are entered
 * @param path the keys, from `parsePath`
 * @returns the value, null included; undefined when the path leads nowhere
 */
export function readPath(event: unknown, path: readonly string[]): unknown {
  let value = event;
  for (let i = 0; i < path.length; i++) {
    if (typeof value !== "object" || value === null) return undefined;
    const key = path[i]!;
    if (!Object.hasOwn(value, key) || key === "__proto__" || key === "length" && Array.isArray(value)) {
      return undefined;
    }
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
