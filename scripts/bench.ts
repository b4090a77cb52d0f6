/**
 * `deno task bench [name ...]`: measures speed and size beside a peer in the same run, on throw-away databases, and prints
 * a Markdown table. The figures are for reading: only a run whose counts do not match fails.
 */
import { loadavg } from "node:os";
import { benchAudit } from "./bench/audit.ts";
import { BrokenRun, type Figure, toTable } from "./bench/figure.ts";
import { benchHealth } from "./bench/health.ts";
import { benchIntake } from "./bench/intake.ts";
import { benchIntegrity } from "./bench/integrity.ts";
import { benchRules } from "./bench/rules.ts";
import { benchSql } from "./bench/sql.ts";
import { benchStartup } from "./bench/startup.ts";
import { benchSweep } from "./bench/sweep.ts";
import { benchText } from "./bench/text.ts";
import { exitOnStackError } from "./stack/stack-error.ts";

const parts: Record<string, () => Promise<Figure[]>> = {
  intake: benchIntake,
  sql: benchSql,
  sweep: benchSweep,
  audit: benchAudit,
  text: benchText,
  rules: benchRules,
  integrity: benchIntegrity,
  health: benchHealth,
  startup: benchStartup,
};

const wanted = Deno.args.filter((argument) => argument !== "--");
const unknown = wanted.find((name) => !(name in parts));
if (unknown !== undefined) {
  console.error(`There is no part "${unknown}": choose from ${Object.keys(parts).join(", ")}.`);
  Deno.exit(2);
}

await exitOnStackError(async () => {
  const load = () => loadavg()[0]!.toFixed(1);
  console.log(`${navigator.hardwareConcurrency} cores, load ${load()} before`);
  const figures: Figure[] = [];
  for (const name of wanted.length > 0 ? wanted : Object.keys(parts)) {
    console.error(`${name} …`);
    try {
      figures.push(...await parts[name]!());
    } catch (error) {
      if (!(error instanceof BrokenRun)) throw error;
      console.error(`${name} is broken: ${error.message}`);
      Deno.exitCode = 1;
    }
  }
  console.log(`\n${toTable(figures)}\n\nload ${load()} after`);
});
