import { z } from "zod";
import { kindOf } from "./json.ts";
import { operators } from "./operators.ts";
import type { Condition, Operator } from "./rule.ts";

/** Levels of groups and leaves; a leaf at the root has one. */
export const MAX_DEPTH = 20;
/** Leaves and groups together. */
export const MAX_NODES = 500;

const operatorNames = Object.keys(operators) as [Operator, ...Operator[]];

/** The parts that every leaf has. */
export const leafShape = {
  field: z.string({
    error: ({ input }) => missing("field", input) ?? `field must be a string, not ${kindOf(input)}`,
  })
    .min(1, "field required"),
  operator: z.enum(operatorNames, {
    error: ({ input }) => missing("operator", input) ?? operatorProblem(input),
  }),
};

/** The parts of a group; what `conditions` holds is checked one by one. */
export const groupShape = {
  logic: z.enum(["and", "or"], { error: ({ input }) => `logic must be "and" or "or", not ${shown(input)}` })
    .optional(),
  conditions: z.array(z.unknown(), {
    error: ({ input }) =>
      input === undefined ? "logic requires conditions" : `conditions must be a list, not ${kindOf(input)}`,
  }).min(1, "conditions required: an empty list decides nothing"),
};

/** A key of a condition. */
export const conditionKeys: readonly string[] = [
  ...Object.keys(leafShape),
  "value",
  ...Object.keys(groupShape),
];

/** A text or the kind of another value, for a message. */
export function shown(value: unknown): string {
  return typeof value === "string"
    ? JSON.stringify(Array.from(value.slice(0, 100)).slice(0, 50).join(""))
    : kindOf(value);
}

function missing(key: string, input: unknown): string | undefined {
  return input === undefined ? `${key} required` : undefined;
}

function operatorProblem(input: unknown): string {
  if (typeof input !== "string") return `operator must be a string, not ${kindOf(input)}`;
  const known = `${operatorNames.slice(0, -1).join(", ")} or ${operatorNames.at(-1)}`;
  return `Unknown operator ${shown(input)}: use ${known}`;
}

/** One branch for each kind of value that operators compare with. */
function leafBranches() {
  const names = Map.groupBy(operatorNames, (name) => operators[name].value);
  return [...names].map(([value, names]) =>
    z.strictObject({ ...leafShape, operator: leafShape.operator.extract(names), value })
  );
}

/**
 * The shape of a condition: a leaf, or a group of conditions. It follows the nesting as deep as it goes: untrusted
 * input is for `validateCondition`, which also knows the limits and says what is wrong.
 */
export const conditionSchema: z.ZodType<Condition> = z.union([
  ...leafBranches(),
  z.strictObject({
    ...groupShape,
    get conditions() {
      return z.array(conditionSchema).min(1);
    },
  }),
]).meta({
  id: "Condition",
  description: "A leaf compares what a field leads to with a value; a group joins conditions. " +
    `At most ${MAX_DEPTH} levels and ${MAX_NODES} leaves and groups.`,
}) as z.ZodType<Condition>;
