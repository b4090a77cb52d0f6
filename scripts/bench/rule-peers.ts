/** Other engines, given the same rules in their own words, each in the way that its documentation says is the fastest. */
import { Environment } from "@marcbachmann/cel-js";
import { Engine, type NestedCondition } from "json-rules-engine";
import { LogicEngine } from "json-logic-engine";
import siftModule from "sift";
import type { Condition, Leaf, MatchableRule } from "../../supabase/functions/_shared/core/rules/rule.ts";
import type { SampleEvent } from "./rule-samples.ts";

/** Counts the rules that match an event. */
export type Count = (event: SampleEvent) => number | Promise<number>;

/** Translates conditions; the operators are those that the samples use. */
function translator<To>(
  ofLeaf: (leaf: Leaf) => To,
  ofGroup: (logic: "and" | "or", parts: To[]) => To,
): (condition: Condition) => To {
  const translate = (condition: Condition): To =>
    "conditions" in condition
      ? ofGroup(condition.logic ?? "and", condition.conditions.map(translate))
      : ofLeaf(condition);
  return translate;
}

const unknownOperator = (leaf: Leaf): never => {
  throw new Error(`The peers have not been taught ${leaf.operator}`);
};

const countTrue = (tests: ((event: SampleEvent) => unknown)[]) => (event: SampleEvent) => {
  let count = 0;
  for (const test of tests) if (test(event)) count++;
  return count;
};

/** Its types describe a module of another format than the one it has. */
const sift = siftModule as unknown as typeof siftModule.default;

function viaSift(rules: MatchableRule[]): Count {
  const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  // deno-lint-ignore no-explicit-any -- sift's queries are typed by what they search
  const translate = translator<any>(({ field, operator, value }) => {
    if (operator === "exists") return { [field]: { $exists: true } };
    if (operator === "matches") return { [field]: { $regex: new RegExp(value as string) } };
    if (operator === "contains" && field === "tags") return { [field]: value };
    if (operator === "contains") return { [field]: { $regex: new RegExp(escaped(value as string)) } };
    return { [field]: { [`$${operator}`]: value } };
  }, (logic, parts) => ({ [`$${logic}`]: parts }));
  return countTrue(rules.map(({ condition }) => sift(translate(condition))));
}

function viaJsonLogic(rules: MatchableRule[]): Count {
  const engine = new LogicEngine();
  engine.addMethod("matches", ([text, pattern]: [string, RegExp]) => pattern.test(text), {
    deterministic: true,
  });
  const symbols: Partial<Record<string, string>> = { eq: "===", ne: "!==", gt: ">", gte: ">=", lt: "<" };
  const translate = translator<unknown>((leaf) => {
    const { field, operator, value } = leaf;
    const actual = { var: field };
    if (operator === "exists") return { exists: field };
    if (operator === "in") return { in: [actual, { preserve: value }] };
    if (operator === "contains") return { in: [value, actual] };
    if (operator === "matches") return { matches: [actual, { preserve: new RegExp(value as string) }] };
    return { [symbols[operator] ?? unknownOperator(leaf)]: [actual, value] };
  }, (logic, parts) => ({ [logic]: parts }));
  return countTrue(
    rules.map(({ condition }) => engine.build(translate(condition)) as (event: SampleEvent) => unknown),
  );
}

function viaCel(rules: MatchableRule[]): Count {
  const environment = new Environment({ unlistedVariablesAreDyn: true });
  const literal = (value: unknown): string =>
    Array.isArray(value)
      ? `[${value.map(literal)}]`
      : typeof value === "number" && Number.isInteger(value)
      ? `${value}.0`
      : JSON.stringify(value);
  const symbols: Partial<Record<string, string>> = { eq: "==", ne: "!=", gt: ">", gte: ">=", lt: "<" };
  const translate = translator<string>((leaf) => {
    const { field, operator, value } = leaf;
    if (operator === "exists") return `has(event.${field})`;
    if (operator === "in") return `${field} in ${literal(value)}`;
    if (operator === "contains" && field === "tags") return `${literal(value)} in ${field}`;
    if (operator === "contains" || operator === "matches") return `${field}.${operator}(${literal(value)})`;
    return `${field} ${symbols[operator] ?? unknownOperator(leaf)} ${literal(value)}`;
  }, (logic, parts) => `(${parts.join(logic === "and" ? " && " : " || ")})`);
  const count = countTrue(rules.map(({ condition }) => environment.parse(translate(condition))));
  return (event) => count({ ...event, event } as SampleEvent);
}

function viaJsonRulesEngine(rules: MatchableRule[]): Count {
  const engine = new Engine([], {
    allowUndefinedFacts: true,
    pathResolver: (value, path) => (value as Record<string, unknown>)[path],
  });
  engine.addOperator("exists", (actual: unknown) => actual !== undefined);
  engine.addOperator("has", (actual: string | unknown[], value: string) => actual.includes(value));
  engine.addOperator("matches", (actual: string, pattern: RegExp) => pattern.test(actual));
  const names: Partial<Record<string, string>> = {
    eq: "equal",
    ne: "notEqual",
    gt: "greaterThan",
    gte: "greaterThanInclusive",
    lt: "lessThan",
    in: "in",
    contains: "has",
    matches: "matches",
    exists: "exists",
  };
  // deno-lint-ignore no-explicit-any -- its types do not let groups and leaves be built alike
  const translate = translator<any>((leaf) => {
    const [fact, path] = leaf.field.split(".");
    const value = leaf.operator === "matches" ? new RegExp(leaf.value as string) : leaf.value ?? true;
    return { fact, path, operator: names[leaf.operator] ?? unknownOperator(leaf), value };
  }, (logic, parts) => logic === "and" ? { all: parts } : { any: parts });
  for (const { condition } of rules) {
    const translated = translate(condition) as NestedCondition;
    const conditions = "fact" in translated ? { all: [translated] } : translated;
    engine.addRule({ conditions: conditions as never, event: { type: "matched" } });
  }
  return async (event) => (await engine.run(event)).events.length;
}

export const peers: Record<string, (rules: MatchableRule[]) => Count> = {
  "@marcbachmann/cel-js": viaCel,
  "json-logic-engine, compiled": viaJsonLogic,
  "json-rules-engine": viaJsonRulesEngine,
  sift: viaSift,
};
