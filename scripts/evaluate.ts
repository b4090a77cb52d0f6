/**
 * `deno task evaluate <rules file>`: events as JSON lines on stdin; for each one line on stdout with the ids of the
 * rules that match, a JSON array in the order in which they fire. A line that is no JSON object is answered by
 * `{"error": {...}}` in its place, and the exit code is 1 in the end; it is 2 when the rules cannot be used.
 *
 *   echo '{"lane":1,"latencyMs":250}' | npx -y deno@2.9.6 task --quiet evaluate supabase/rules/examples.json
 */
import { z } from "zod";
import { announceInput, exitWithUsage, readArguments } from "./command-line.ts";
import { mapObjects } from "./json-lines.ts";
import { printBlocks } from "./lines.ts";
import {
  type Condition,
  type MatchableRule,
  RuleError,
} from "../supabase/functions/_shared/core/rules/rule.ts";
import { compileRules, type RuleSet } from "../supabase/functions/_shared/core/rules/rule-set.ts";

/** What is wrong with the file of rules, each with its place. */
export class UnusableRules extends Error {
  override name = "UnusableRules";

  constructor(problems: string[]) {
    super(problems.join("\n"));
  }
}

const rulesFile = z.object({
  rules: z.array(z.object({
    id: z.string().min(1),
    status: z.enum(["active", "paused", "archived"]).default("active"),
    priority: z.int().default(0),
    mode: z.enum(["all", "first_match"]).default("all"),
    condition: z.custom<Condition>((condition) => condition !== undefined, "required"),
  })),
});

/**
 * Rules from the text of a file: `{"rules": [{"id": "...", "condition": {...}}]}`; by default a rule is active, has
 * priority 0 and mode `all`. What else a rule has, such as its action, is of no use here.
 *
 * @throws UnusableRules that says which rule is wrong and where
 */
export function readRules(text: string): MatchableRule[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new UnusableRules([`It is not valid JSON: ${(error as Error).message}.`]);
  }
  const { data, error } = rulesFile.safeParse(content);
  if (data) return data.rules;
  throw new UnusableRules(error.issues.map((issue) => `${place(content, issue.path)}: ${issue.message}.`));
}

/** Names a rule by its id where it has one. */
function place(content: unknown, path: PropertyKey[]): string {
  const [list, index, ...rest] = path;
  if (index === undefined) return String(list ?? "content");
  const { id } = (content as { rules: { id?: unknown }[] }).rules[index as number] ?? {};
  const rule = typeof id === "string" && id !== "" ? `rule ${id}` : `rules.${String(index)}`;
  return [rule, ...rest.map(String)].join(" ");
}

const wording = { verb: "evaluate", noun: "event", example: '{"latencyMs":250}' };

/** Blocks of answers, one a line, for the lines of a stream of UTF-8 bytes; `onRefused` is told of each that is none. */
export function evaluateLines(
  rules: RuleSet<MatchableRule>,
  input: AsyncIterable<Uint8Array>,
  onRefused: (message: string) => void,
): AsyncGenerator<string> {
  return mapObjects(input, wording, (event) => rules.match(event).map(({ id }) => id), onRefused);
}

/** @throws UnusableRules */
async function compileFile(path: string): Promise<RuleSet<MatchableRule>> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new UnusableRules([(error as Error).message]);
  }
  return compileRules(readRules(text));
}

if (import.meta.main) {
  const usage = "evaluate <rules file> < <events, one JSON object a line>";
  const [path] = readArguments(usage, {}, 1).words;
  if (path === undefined) exitWithUsage("A file of rules is needed.", usage);
  try {
    const rules = await compileFile(path);
    announceInput("events, one JSON object a line,");
    await printBlocks(evaluateLines(rules, Deno.stdin.readable, (message) => {
      Deno.exitCode = 1;
      console.error(message);
    }));
  } catch (error) {
    if (!(error instanceof UnusableRules || error instanceof RuleError)) throw error;
    console.error(`The rules of ${path} cannot be used. ${error.message}`);
    Deno.exitCode = 2;
  }
}
