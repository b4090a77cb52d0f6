import { parsePath, readPath } from "./path.ts";
import type { RuleEvent } from "./rule.ts";

/** Longest result of a rendering, as JSON in UTF-8. As much as an event may have itself. */
export const MAX_RENDERED_BYTES = 64 * 1024;
/** Deepest nesting of a result; the outermost value has depth 1. */
export const MAX_RENDERED_DEPTH = 64;

const LARGER = `larger than ${MAX_RENDERED_BYTES / 1024} kB`;
const MAX_PROBLEMS = 20;
const PLACEHOLDER = /\{\{([^{}]*)\}\}/g;

/** The result would be larger than an action may have it. */
export class TemplateError extends Error {
  override name = "TemplateError";
  readonly code = "template.too_large";
}

/**
 * Puts an event's values where templates ask for them.
 *
 * A text that is nothing but `{{event}}` or `{{event.path}}` becomes the value itself, null when it is missing. Inside a
 * longer text a placeholder becomes text: strings as they are, other values as JSON, missing ones nothing. What was put
 * in is never looked at again, names in objects are no templates, and everything else stays as it is.
 *
 * @param value JSON, such as an action's payload; not changed
 * @returns a copy that shares nothing with `value` or `event`; what JSON does not have becomes null
 * @throws {TemplateError} when the copy would be larger than 64 kB or nested deeper than 64 levels
 */
export function renderTemplates(value: unknown, event: RuleEvent): unknown {
  return copy(value, { left: MAX_RENDERED_BYTES }, 1, event);
}

/**
 * What is wrong with the templates in a value, one sentence each, beginning with where it is; at most 20. A value that is
 * too large before anything is put into it is wrong, too.
 *
 * @param value JSON, such as an action's payload
 */
export function templateProblems(value: unknown): string[] {
  const problems: string[] = [];
  findProblems(value, [], new Set(), problems);
  return problems.length > 0 ? problems.slice(0, MAX_PROBLEMS) : sizeProblems(value);
}

/** Whether rendering could change a value. */
export function hasTemplates(value: unknown): boolean {
  // A set visits what is added on the way, once: neither depth nor cycles matter.
  const parts = new Set([value]);
  for (const part of parts) {
    if (typeof part === "string") {
      if ([...part.matchAll(PLACEHOLDER)].some(([, inner]) => keysOf(inner!))) return true;
    } else if (typeof part === "object" && part !== null) {
      for (const item of Object.values(part)) parts.add(item);
    }
  }
  return false;
}

/** Copies a value while its size as JSON stays within what is left; templates are rendered when an event is given. */
function copy(value: unknown, size: { left: number }, depth: number, event?: RuleEvent): unknown {
  if (depth > MAX_RENDERED_DEPTH) throw tooLarge(`is nested deeper than ${MAX_RENDERED_DEPTH} levels`);
  if (typeof value === "string" && event) return renderText(value, size, depth, event);
  if (typeof value !== "object" || value === null) {
    const scalar = ["string", "boolean"].includes(typeof value) || Number.isFinite(value) ? value : null;
    spend(size, bytesOf(scalar));
    return scalar;
  }
  if (Array.isArray(value)) {
    spend(size, 2 + Math.max(0, value.length - 1));
    return Array.from(value, (item) => copy(item, size, depth + 1, event));
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  spend(size, 2 + Math.max(0, entries.length - 1));
  // fromEntries defines properties, so that one named __proto__ is a property like any other.
  return Object.fromEntries(entries.map(([name, item]) => {
    spend(size, bytesOf(name) + 1);
    return [name, copy(item, size, depth + 1, event)];
  }));
}

function renderText(text: string, size: { left: number }, depth: number, event: RuleEvent): unknown {
  const alone = /^\{\{([^{}]*)\}\}$/.exec(text);
  const keys = alone && keysOf(alone[1]!);
  if (keys) return copy(readPath(event, keys), size, depth);

  let inserted = 0;
  const rendered = text.replace(PLACEHOLDER, (placeholder, inner) => {
    const keys = keysOf(inner);
    if (!keys) return placeholder;
    const value = readPath(event, keys);
    if (value === undefined) return "";
    const part = typeof value === "string"
      ? value
      : JSON.stringify(copy(value, { left: MAX_RENDERED_BYTES }, depth));
    inserted += part.length;
    if (inserted > size.left) throw tooLarge();
    return part;
  });
  return copy(rendered, size, depth);
}

/** Where a placeholder leads; undefined for any other text in braces. */
function keysOf(inner: string): string[] | undefined {
  const name = inner.trim();
  if (name === "event") return [];
  return name.startsWith("event.") && name.length > 6 ? parsePath(name.slice(6)) : undefined;
}

function findProblems(value: unknown, path: string[], seen: Set<object>, problems: string[]): void {
  if (problems.length >= MAX_PROBLEMS) return;
  const report = (problem: string) =>
    problems.push((path.length ? `${path.join(".").slice(0, 200)}: ` : "") + problem);
  if (typeof value === "string") {
    const rest = value.replace(PLACEHOLDER, (found, inner) => keysOf(inner) ? " " : found);
    const at = rest.indexOf("{{");
    if (at >= 0) {
      report(`${JSON.stringify(rest.slice(at, at + 60))} is no template: write {{event}} or {{event.path}}`);
    }
  } else if (typeof value === "object" && value !== null && !seen.has(value)) {
    seen.add(value);
    if (path.length >= MAX_RENDERED_DEPTH) {
      return void report(`nested deeper than ${MAX_RENDERED_DEPTH} levels`);
    }
    for (const [name, item] of Object.entries(value)) {
      if (name.includes("{{")) {
        report(`the name ${JSON.stringify(name.slice(0, 60))} holds a template: only values may`);
      }
      findProblems(item, [...path, name], seen, problems);
    }
  }
}

function sizeProblems(value: unknown): string[] {
  try {
    copy(value, { left: MAX_RENDERED_BYTES }, 1);
    return [];
  } catch (error) {
    if (error instanceof TemplateError) return [`is ${LARGER}, even without an event's values`];
    throw error;
  }
}

function spend(size: { left: number }, bytes: number): void {
  size.left -= bytes;
  if (size.left < 0) throw tooLarge();
}

function bytesOf(scalar: unknown): number {
  return new TextEncoder().encode(JSON.stringify(scalar)).length;
}

function tooLarge(problem = `is ${LARGER}`): TemplateError {
  return new TemplateError(
    `With the event's values the action ${problem}: insert parts of the event, not all of it.`,
  );
}
