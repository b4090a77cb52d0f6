import { RE2JS } from "re2js";
import { z } from "zod";
import { jsonEqual, jsonProblem, kindOf } from "./json.ts";
import type { Operator } from "./rule.ts";
import { not, type Truth } from "./truth.ts";

/** Elements in the value of `in` and `nin`. */
export const MAX_LIST = 1_000;
/** Characters in a pattern. */
export const MAX_PATTERN = 512;
/** Steps of a compiled pattern: what bounds the time to compile it and to match one character. */
export const MAX_PATTERN_STEPS = 1_000;
/** UTF-16 units of a text that a pattern is matched with; whether it matches a longer one is unknown. */
export const MAX_MATCHED_TEXT = 16_384;

/** Decides about what a field leads to; `undefined` is a field that is missing. */
export type Comparison = (actual: unknown) => Truth;

export interface OperatorDefinition {
  needsValue: boolean;
  /** The values that the operator can be used with. Errors are to be read after "Operator gt …". */
  value: z.ZodType;
  /** What is wrong with a value, to be read after "Operator gt …"; undefined when nothing is. Never throws. */
  problem(value: unknown): string | undefined;
  /**
   * Does what can be done once.
   * @param value one without a problem; throws on a pattern with one
   * @returns a comparison that never throws and allocates nothing
   */
  compile(value: unknown): Comparison;
}

const requires = (what: string) => ({
  error: ({ input }: { input?: unknown }) =>
    input === undefined ? "requires a value" : `requires ${what}, not ${kindOf(input)}`,
});

/** A check of zod's: the value is fine, or requires something. */
const requiresAlso =
  <T>(missing: (value: T) => string | undefined) => (value: T, context: z.RefinementCtx<T>) => {
    const what = missing(value);
    if (what !== undefined) context.addIssue(`requires ${what}`);
  };

// One schema for each kind of value.
const anyValue = z.unknown().superRefine(
  requiresAlso((value) => value === undefined ? "a value" : jsonProblem(value)),
);
const orderedValue = z.union([z.number(), z.string()], requires("a number or a string"));
const listValue = z.array(z.unknown(), requires("a list"))
  .min(1, "requires a list that is not empty")
  .max(MAX_LIST, `requires a list of at most ${MAX_LIST} values: use several conditions with logic or`)
  .superRefine(requiresAlso(jsonProblem));
const patternValue = z.string(requires("a pattern, which is a string"))
  .superRefine(requiresAlso(patternProblem)).meta({ maxLength: MAX_PATTERN });
/** What programs write where there is no value is no value; `false` would be read as the opposite. */
const noValue = z.literal(
  [true, null],
  "takes no value: remove it, and use the opposite operator for the opposite",
).optional();

function patternProblem(pattern: string): string | undefined {
  if (Array.from(pattern).length > MAX_PATTERN) return `a pattern of at most ${MAX_PATTERN} characters`;
  try {
    if (RE2JS.compile(pattern).programSize() > MAX_PATTERN_STEPS) {
      return "a simpler pattern: this one repeats too much, which makes it slow";
    }
  } catch (error) {
    return "a pattern in the syntax of RE2, which has no look-around and no back-references: " +
      (error instanceof Error ? error.message : "it is refused");
  }
}

function define(value: z.ZodType, compile: (value: unknown) => Comparison): OperatorDefinition {
  return {
    needsValue: value !== noValue,
    value,
    problem: (candidate) => value.safeParse(candidate).error?.issues[0]?.message,
    compile,
  };
}

/** True where the other is false, unknown where the other is. */
function mirror({ value, compile }: OperatorDefinition): OperatorDefinition {
  return define(value, (value) => {
    const comparison = compile(value);
    return (actual) => not(comparison(actual));
  });
}

/** Two numbers or two strings; strings by UTF-16 units, as JavaScript compares them. */
function ordered(holds: <T extends number | string>(actual: T, value: T) => boolean): OperatorDefinition {
  return define(
    orderedValue,
    (value) =>
      typeof value === "number"
        ? (actual) => typeof actual === "number" ? holds(actual, value) : undefined
        : (actual) => typeof actual === "string" ? holds(actual, value as string) : undefined,
  );
}

const isPrimitive = (value: unknown) => typeof value !== "object" || value === null;

const eq = define(
  anyValue,
  (value) =>
    isPrimitive(value)
      ? (actual) => actual === undefined ? undefined : actual === value
      : (actual) => actual === undefined ? undefined : jsonEqual(value, actual),
);

const isIn = define(listValue, (value) => {
  const primitives = new Set((value as unknown[]).filter(isPrimitive));
  const others = (value as unknown[]).filter((element) => !isPrimitive(element));
  return (actual) => {
    if (actual === undefined) return undefined;
    if (isPrimitive(actual)) return primitives.has(actual);
    for (const other of others) if (jsonEqual(other, actual)) return true;
    return false;
  };
});

const contains = define(anyValue, (value) => (actual) => {
  if (typeof actual === "string") return typeof value === "string" ? actual.includes(value) : undefined;
  if (!Array.isArray(actual)) return undefined;
  for (let i = 0; i < actual.length; i++) if (jsonEqual(value, actual[i])) return true;
  return false;
});

const matches = define(patternValue, (value) => {
  const pattern = RE2JS.compile(value as string);
  return (actual) =>
    typeof actual === "string" && actual.length <= MAX_MATCHED_TEXT ? pattern.test(actual) : undefined;
});

const exists = define(noValue, () => (actual) => actual !== undefined);

/** The family of operators: what each compares with, and how. */
export const operators: Record<Operator, OperatorDefinition> = {
  eq,
  ne: mirror(eq),
  gt: ordered((actual, value) => actual > value),
  lt: ordered((actual, value) => actual < value),
  gte: ordered((actual, value) => actual >= value),
  lte: ordered((actual, value) => actual <= value),
  in: isIn,
  nin: mirror(isIn),
  contains,
  not_contains: mirror(contains),
  matches,
  not_matches: mirror(matches),
  exists,
  not_exists: mirror(exists),
};
