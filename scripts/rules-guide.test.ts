/** What the guide to rules says of operators and rules is what the engine does. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { operators } from "../supabase/functions/_shared/core/rules/operators.ts";
import type { Condition, Operator } from "../supabase/functions/_shared/core/rules/rule.ts";
import { validateCondition } from "../supabase/functions/_shared/core/rules/validate-condition.ts";
import { projectRoot } from "./stack/paths.ts";

const guide = await Deno.readTextFile(join(projectRoot, ".github/RULES.md"));

/** The rows of a Markdown table below a heading, each cell without its code quotes; an escaped pipe is one of the text. */
function tableBelow(heading: string): string[][] {
  const [, section] = guide.split(`## ${heading}\n`);
  const rows = section!.split("\n").filter((line) => line.startsWith("|"));
  return rows.map((row) =>
    row.split(/(?<!\\)\|/).slice(1, -1).map((cell) =>
      cell.trim().replace(/^`|`$/g, "").replaceAll("\\|", "|")
    )
  );
}

Deno.test("the guide's table of operators and types says what the operators say", () => {
  const [[, , ...columns], , ...rows] = tableBelow("What every operator says of every type") as [
    string[],
    ...string[][],
  ];
  const named = new Set<string>();
  for (const [operator, value, ...cells] of rows) {
    named.add(operator!);
    const compare = operators[operator as Operator].compile(value === "" ? undefined : JSON.parse(value!));
    const said = columns.map((column) => compare(column === "missing" ? undefined : JSON.parse(column)));
    assert.deepEqual(
      said.map((truth) => truth === undefined ? "?" : String(truth)),
      cells,
      `${operator} ${value}`,
    );
  }
  assert.deepEqual([...named].sort(), Object.keys(operators).sort());
});

Deno.test("the guide's rules can be saved", () => {
  const examples = [...guide.matchAll(/^```json\n([^]*?)^```/gm)].map(([, text]) => JSON.parse(text!));
  const conditions = examples.flatMap((example): Condition[] => example.condition ?? []);
  assert.ok(conditions.length > 0);
  for (const condition of conditions) assert.deepEqual(validateCondition(condition).errors, []);
});
