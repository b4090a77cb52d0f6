import type { RuleEvent } from "../core/rules/rule.ts";
import { renderTemplates } from "../core/rules/template.ts";
import type { ActionDefinition } from "./action.ts";

/** The parts of actions that may hold templates; above all not a webhook's address, which is checked when it is saved. */
const TEMPLATE_PARTS = ["payload", "metadata", "eventHash", "ledgerEventId"];

/** The parts of a definition that may hold templates, by name. */
export function templatesOf(definition: ActionDefinition): Record<string, unknown> {
  return Object.fromEntries(Object.entries(definition).filter(([name]) => TEMPLATE_PARTS.includes(name)));
}

/**
 * A definition with the event's values in place of its templates.
 *
 * @throws {TemplateError}
 */
export function renderAction<Definition extends ActionDefinition>(
  definition: Definition,
  event: RuleEvent,
): Definition {
  return { ...definition, ...renderTemplates(templatesOf(definition), event) as Partial<Definition> };
}
