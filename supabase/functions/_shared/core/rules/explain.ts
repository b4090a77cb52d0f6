import { redactValue } from "../redaction/redact.ts";
import { isSecretKey } from "../redaction/secret-key.ts";
import { kindOf } from "./json.ts";
import { MAX_MATCHED_TEXT, operators } from "./operators.ts";
import { parsePath, readPath } from "./path.ts";
import { type Condition, type Group, type Leaf, RuleError, type RuleEvent } from "./rule.ts";
import { and, or, type Truth } from "./truth.ts";
import { validateCondition } from "./validate-condition.ts";

const MAX_SHOWN = 200;

/** What became of a leaf or group, and why. */
export type Trace = LeafTrace | GroupTrace;

export interface LeafTrace extends Leaf {
  result: "true" | "false" | "unknown";
  reason: string;
  /** What the field leads to; absent when it is missing. Like `value`, cut to 200 characters, secrets hidden. */
  actual?: unknown;
}

export interface GroupTrace {
  result: "true" | "false" | "unknown";
  reason: string;
  logic: "and" | "or";
  conditions: Trace[];
}

/**
 * Evaluates a condition, every part of it, and says how each was decided.
 *
 * @throws RuleError `rule.invalid` when the condition cannot be evaluated
 */
export function explainCondition(condition: Condition, event: RuleEvent): Trace {
  const { valid, errors } = validateCondition(condition);
  if (!valid) {
    throw new RuleError("rule.invalid", `The condition cannot be evaluated: ${errors.join("; ")}`, errors);
  }
  return explain(condition, readFields(event)).trace;
}

type Explained = { truth: Truth; trace: Trace };
type Fields = (field: string) => { path: string[]; actual: unknown; shown: { actual?: unknown } };

/** Reads each field once: to hide the secrets of a long text takes its time. */
function readFields(event: RuleEvent): Fields {
  const known = new Map<string, ReturnType<Fields>>();
  return (field) => {
    const path = parsePath(field);
    const actual = readPath(event, path);
    const found = known.get(field) ??
      { path, actual, shown: actual === undefined ? {} : { actual: show(path, actual) } };
    known.set(field, found);
    return found;
  };
}

function explain(condition: Condition, fields: Fields): Explained {
  return "conditions" in condition ? explainGroup(condition, fields) : explainLeaf(condition, fields);
}

function explainLeaf({ field, operator, value }: Leaf, fields: Fields): Explained {
  const { path, actual, shown } = fields(field);
  const truth = operators[operator].compile(value)(actual);
  const compared = value === undefined ? {} : { value: show(path, value) };
  const reason = truth === undefined ? whyUnknown(operator, value, actual) : whyKnown(truth, actual);
  return { truth, trace: { result: resultOf(truth), reason, field, operator, ...compared, ...shown } };
}

function whyKnown(truth: boolean, actual: unknown): string {
  if (actual === undefined) return "the field is missing";
  return truth ? "it holds" : "it does not hold";
}

function whyUnknown(operator: string, value: unknown, actual: unknown): string {
  if (actual === undefined) return "the field is missing";
  if (typeof actual === "string" && actual.length > MAX_MATCHED_TEXT && operator.endsWith("matches")) {
    return `the text is longer than ${MAX_MATCHED_TEXT} characters`;
  }
  return `wrong type: ${operator} with ${kindOf(value)} decides nothing about ${kindOf(actual)}`;
}

function explainGroup({ logic = "and", conditions }: Group, fields: Fields): Explained {
  const parts = conditions.map((condition) => explain(condition, fields));
  const truths = parts.map(({ truth }) => truth);
  const truth = logic === "and" ? and(truths) : or(truths);
  return {
    truth,
    trace: {
      result: resultOf(truth),
      reason: whyGroup(logic, truth, truths),
      logic,
      conditions: parts.map(({ trace }) => trace),
    },
  };
}

/** One part decides `and` by being false, and `or` by being true; otherwise the unknown ones leave it open. */
function whyGroup(logic: "and" | "or", truth: Truth, truths: Truth[]): string {
  const decisive = logic === "or";
  if (truths.includes(decisive)) return `Sub-condition ${truths.indexOf(decisive)} is ${decisive}`;
  if (truth === undefined) {
    return `Sub-condition ${truths.indexOf(undefined)} is unknown, and none is ${decisive}`;
  }
  return `all are ${!decisive}`;
}

function resultOf(truth: Truth): Trace["result"] {
  return truth === undefined ? "unknown" : truth ? "true" : "false";
}

/** Under a secret's name everything is hidden, so it is looked at under that. */
function show(path: string[], value: unknown): unknown {
  const name = path.find(isSecretKey) ?? "value";
  const [redacted] = Object.values(redactValue({ [name]: value }) as object);
  const text = typeof redacted === "string" ? redacted : JSON.stringify(redacted);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : redacted;
}
