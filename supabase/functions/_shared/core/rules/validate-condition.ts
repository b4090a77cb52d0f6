import { z } from "zod";
import { conditionKeys, groupShape, leafShape, MAX_DEPTH, MAX_NODES, shown } from "./condition.ts";
import { kindOf } from "./json.ts";
import { operators } from "./operators.ts";

const MAX_ERRORS = 50;

const leaf = z.object(leafShape);
const group = z.object(groupShape);

/**
 * Whether a condition can be used, and if not why.
 *
 * @param condition anything; it is read to its limits (20 levels, 500 leaves and groups) and no further
 * @returns up to 50 errors in the order of the condition, each beginning with where it is
 *   (`Sub-condition 1: Sub-condition 0: field required`), and one that says how many more there are. Never throws.
 */
export function validateCondition(condition: unknown): { valid: boolean; errors: string[] } {
  const errors: string[] = [];
  let nodes = 0;
  for (const { node, depth, where } of walk(condition)) {
    if (++nodes > MAX_NODES) return { valid: false, errors: [TOO_MANY] };
    for (const error of depth > MAX_DEPTH ? [TOO_DEEP] : ownErrors(node)) errors.push(where + error);
  }
  const more = errors.length - MAX_ERRORS;
  if (more > 0) errors.splice(MAX_ERRORS, more, `${more} more error${more > 1 ? "s" : ""}`);
  return { valid: errors.length === 0, errors };
}

const TOO_MANY = `condition has more than ${MAX_NODES} leaves and groups: make several rules of it`;
const TOO_DEEP = `condition is nested deeper than ${MAX_DEPTH} levels: join groups of the same logic`;
const BOTH = "condition is a leaf and a group at once: move field, operator and value into conditions";

type Place = { node: unknown; depth: number; where: string };

/** A condition, then those it holds with all they hold; down to one level more than allowed. */
function* walk(node: unknown, depth = 1, where = ""): Generator<Place> {
  yield { node, depth, where };
  if (depth > MAX_DEPTH || !isObject(node) || !Array.isArray(node.conditions)) return;
  for (const [i, condition] of node.conditions.entries()) {
    yield* walk(condition, depth + 1, `${where}Sub-condition ${i}: `);
  }
}

/** What is wrong with a leaf or group; what it holds is not looked at. */
function ownErrors(node: unknown): string[] {
  if (!isObject(node)) return [`condition must be an object, not ${kindOf(node)}`];
  const isLeaf = [node.field, node.operator, node.value].some((part) => part !== undefined);
  const isGroup = node.conditions !== undefined || (node.logic !== undefined && !isLeaf);
  const errors = isLeaf && isGroup ? [BOTH] : [];
  if (isLeaf || !isGroup) errors.push(...leafErrors(node));
  if (isGroup) errors.push(...issues(group, node));
  else if (node.logic !== undefined) errors.push("logic requires conditions");
  return errors.concat(unknownKeys(node));
}

function leafErrors(node: JsonObject): string[] {
  const operator = leafShape.operator.safeParse(node.operator);
  const problem = operator.success && operators[operator.data].problem(node.value);
  return issues(leaf, node).concat(problem ? [`Operator ${operator.data} ${problem}`] : []);
}

/** The first of each key: zod goes on to the length of what is not even a text or a list. */
function issues(schema: z.ZodType, node: JsonObject): string[] {
  const issues = schema.safeParse(node).error?.issues ?? [];
  return issues.filter(({ path }, i) => path[0] !== issues[i - 1]?.path[0]).map(({ message }) => message);
}

function unknownKeys(node: JsonObject): string[] {
  const keys = Object.keys(node).filter((key) => !conditionKeys.includes(key));
  const ordered = keys.map((key) => ({ key, rank: codePoints(key) })).sort((a, b) =>
    a.rank < b.rank ? -1 : 1
  );
  return ordered.map(({ key }) => `Unknown key ${shown(key)}: a condition has ${KEYS}`);
}

const KEYS = "field, operator and value, or logic and conditions";

/** Orders texts as the database does, where JavaScript's order differs for characters beyond U+FFFF. */
function codePoints(text: string): string {
  return Array.from(text, (character) => character.codePointAt(0)!.toString(16).padStart(6, "0")).join();
}

type JsonObject = Record<string, unknown>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
