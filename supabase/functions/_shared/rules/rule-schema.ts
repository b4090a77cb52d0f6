import { z } from "zod";
import { conditionSchema } from "../core/rules/condition.ts";
import { RuleError } from "../core/rules/rule.ts";
import { templateProblems } from "../core/rules/template.ts";
import { validateCondition } from "../core/rules/validate-condition.ts";
import type { ActionDefinition, CheckDeps } from "./action.ts";
import { actionOf, actions } from "./actions.ts";
import { templatesOf } from "./render-action.ts";
import type { StoredRule } from "./storage.ts";

const MAX_ACTIONS = 10;
/** Of a Postgres integer. */
const MAX_INTEGER = 2 ** 31 - 1;
const integer = (min: number) => z.int().min(min).max(MAX_INTEGER);

const actionSchema = z.union(actions.map((action) => action.schema));

/** A rule as people write it. What storing adds may be there, so that a rule that was read can be sent back. */
export const ruleSchema = z.strictObject({
  id: z.string().regex(
    /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/,
    "must have 1 to 100 letters, digits or ._:- and begin with a letter or digit",
  ),
  name: z.string().min(1).max(200),
  status: z.enum(["active", "paused", "archived"]).default("active"),
  priority: integer(-MAX_INTEGER).default(0).meta({ description: "Greater ones first, then by id" }),
  condition: conditionSchema,
  action: z.union([actionSchema, z.array(actionSchema).min(1).max(MAX_ACTIONS)]),
  mode: z.enum(["all", "first_match"]).default("all").meta({
    description: "first_match: when this rule matches, those behind it are not evaluated",
  }),
  cooldownSeconds: integer(0).default(0),
  maxFiresPerHour: integer(1).nullable().default(1000).meta({ description: "null: no limit" }),
  version: z.int().min(0).optional(),
  createdAt: z.string().optional(),
  updatedAt: z.string().optional(),
  updatedBy: z.string().optional(),
});

/** The JSON Schema of a rule, draft 2020-12, for editors and forms. */
export const ruleJsonSchema = z.toJSONSchema(ruleSchema, { io: "input", unrepresentable: "any" });

/** A rule with its defaults; `version` and what follows it only when it was stored. */
export type Rule =
  & Omit<StoredRule, "version" | "createdAt" | "updatedAt" | "updatedBy">
  & Partial<StoredRule>;

/** The parts that have their own checks below, in words that say more than a schema's. */
const envelope = ruleSchema.extend({ condition: z.unknown().optional(), action: z.unknown().optional() });

/**
 * Checks everything about a rule that can be known without leaving the process.
 *
 * @param rule anything
 * @returns one sentence for each error, beginning with where it is: `condition: Sub-condition 0: field required`
 */
export function validateRule(rule: unknown, deps: CheckDeps): { valid: boolean; errors: string[] } {
  const parsed = envelope.safeParse(rule);
  const errors = (parsed.error?.issues ?? []).map(describe);
  if (typeof rule === "object" && rule !== null && !Array.isArray(rule)) {
    const { condition, action } = rule as Record<string, unknown>;
    errors.push(...validateCondition(condition).errors.map((error) => `condition: ${error}`));
    errors.push(...actionErrors(action, deps));
  }
  return { valid: errors.length === 0, errors };
}

/**
 * A rule with its defaults.
 *
 * @throws {RuleError} `rule.invalid` with what {@link validateRule} finds
 */
export function parseRule(rule: unknown, deps: CheckDeps): Rule {
  const { valid, errors } = validateRule(rule, deps);
  if (valid) return envelope.parse(rule) as Rule;
  throw new RuleError("rule.invalid", `The rule is not valid: ${errors.join("; ")}`.slice(0, 2_000), errors);
}

/** A rule's actions as a list. */
export function actionsOf({ action }: Pick<Rule, "action">): ActionDefinition[] {
  return [action].flat();
}

/** What is wrong with one action, one sentence each: its shape, its templates, what it refers to. */
export function actionProblems(definition: unknown, deps: CheckDeps): string[] {
  const action = actionOf((definition as { type?: unknown } | null | undefined)?.type);
  if (!action) return [`type must be one of ${actions.map(({ type }) => type).join(", ")}`];
  const parsed = action.schema.safeParse(definition);
  if (!parsed.success) return parsed.error.issues.map(describe);
  return [...templateProblems(templatesOf(parsed.data)), ...action.check(parsed.data, deps)];
}

function actionErrors(action: unknown, deps: CheckDeps): string[] {
  const errorsAt = (path: string, one: unknown) =>
    actionProblems(one, deps).map((problem) => `${path}: ${problem}`);
  if (!Array.isArray(action)) return errorsAt("action", action);
  if (action.length === 0 || action.length > MAX_ACTIONS) {
    return [`action: a rule has 1 to ${MAX_ACTIONS} actions, not ${action.length}`];
  }
  return action.flatMap((one, i) => errorsAt(`action.${i}`, one));
}

function describe({ path, message }: { path: PropertyKey[]; message: string }): string {
  return `${path.length > 0 ? `${path.map(String).join(".")}: ` : ""}${message}`.slice(0, 300);
}
