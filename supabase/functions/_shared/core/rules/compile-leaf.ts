import { type Comparison, operators } from "./operators.ts";
import { parsePath } from "./path.ts";
import type { Leaf, Operator } from "./rule.ts";

/** A compiled leaf. Equal ones have the same `id`, those of equal fields the same `pathId`. */
export interface LeafTest {
  readonly id: string;
  readonly pathId: string;
  readonly path: readonly string[];
  readonly compare: Comparison;
  /** How long it takes compared with others. */
  readonly cost: number;
  /** All values that make it true, where a Map finds them. */
  readonly keys?: readonly unknown[];
  readonly limit?: Limit;
  /** The text that makes it true where a text or a list contains it. */
  readonly needle?: string;
  /** Leaves with the same door are asked together. */
  readonly door: string;
}

/** A leaf that is true for numbers above `from`, and for `from` itself if `included`; negated ones if `falling`. */
export interface Limit {
  readonly falling: boolean;
  readonly from: number;
  readonly included: boolean;
}

/** A check of a longer list is as fast as finding its rule among the copies that the index would need. */
const MOST_KEYS = 64;

const costs: Partial<Record<Operator, number>> = { contains: 2, not_contains: 2, matches: 4, not_matches: 4 };

/** @param known finds a leaf that was compiled before, by its id; it is taken if there is one */
export function compileLeaf(
  { field, operator, value }: Leaf,
  known: (id: string) => LeafTest | undefined,
): LeafTest {
  const path = parsePath(field);
  const pathId = JSON.stringify(path);
  const id = `${operator} ${pathId} ${JSON.stringify(value)}`;
  const former = known(id);
  if (former) return former;
  const keys = keysOf(operator, value);
  const limit = limitOf(operator, value);
  const needle = operator === "contains" && typeof value === "string" ? value : undefined;
  const compare = operators[operator].compile(value);
  const door = keys ? `= ${pathId}` : limit ? `${limit.falling ? "<" : ">"} ${pathId}` : undefined;
  return {
    id,
    pathId,
    path,
    compare,
    cost: costs[operator] ?? 1,
    keys,
    limit,
    needle,
    door: door ?? (needle === undefined ? id : `contains ${pathId}`),
  };
}

/** A Map compares as `===` does, for JSON has no NaN. */
function keysOf(operator: Operator, value: unknown): unknown[] | undefined {
  if (operator !== "eq" && operator !== "in") return undefined;
  const keys = [...new Set(operator === "eq" ? [value] : value as unknown[])];
  const areFound = keys.length <= MOST_KEYS && keys.every((key) => typeof key !== "object" || key === null);
  return areFound ? keys : undefined;
}

function limitOf(operator: Operator, value: unknown): Limit | undefined {
  if (typeof value !== "number") return undefined;
  const included = operator === "gte" || operator === "lte";
  if (operator === "gt" || operator === "gte") return { falling: false, from: value, included };
  if (operator === "lt" || operator === "lte") return { falling: true, from: -value, included };
}
