/** Runs pgTAP files against a database and reads what they report. */
import postgres, { type Sql } from "postgres";
import { type FinalResults, Parser } from "tap-parser";
import type { PartResult } from "./report.ts";

/** The outcome of one file. */
export interface PgTapResult {
  file: string;
  passed: number;
  failed: number;
  /** One text for each failure, with pgTAP's diagnosis. */
  problems: string[];
}

/**
 * Runs files one after another, each inside a transaction that is rolled back. The database must have pgTAP.
 *
 * @param databaseUrl of role `postgres`, as on the hosted platform
 * @param files paths of `*.test.sql` files
 */
export async function runPgTap(databaseUrl: string, files: string[]): Promise<PgTapResult[]> {
  const results: PgTapResult[] = [];
  for (const file of files) {
    const sql = postgres(databaseUrl, { max: 1, onnotice: () => {}, fetch_types: false });
    try {
      results.push(await runFile(sql, file));
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
  return results;
}

/** The same as {@link runPgTap}, summed up for the report of a test run. */
export async function pgTapPart(databaseUrl: string, files: string[]): Promise<PartResult> {
  const results = await runPgTap(databaseUrl, files);
  return {
    passed: results.reduce((sum, result) => sum + result.passed, 0),
    failed: results.reduce((sum, result) => sum + result.failed, 0),
    details: results.flatMap(({ file, problems }) => problems.length ? [file, ...problems, ""] : []).join(
      "\n",
    ),
  };
}

async function runFile(sql: Sql, file: string): Promise<PgTapResult> {
  const script = await Deno.readTextFile(file);
  const opening = "begin;\n";
  let output: string[];
  try {
    output = textOf(await sql.unsafe(`${opening}${script}\n;rollback`));
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    return { file, passed: 0, failed: 1, problems: [describeError(error, script, opening.length)] };
  }
  const tap = await readTap(output);
  const problems = tap.failures.map((failure) =>
    "name" in failure
      ? [`not ok ${failure.id} - ${failure.name}`, ...diagnosisOf(output, failure.id)].join("\n")
      : failure.tapError
  );
  if (tap.count === 0 && problems.length === 0) problems.push("The file ran no test.");
  return { file, passed: tap.pass, failed: Math.max(problems.length, tap.fail), problems };
}

/** Every value in the first column of every statement's rows, line by line. */
function textOf(results: unknown): string[] {
  const statements = results as Record<string, unknown>[][];
  return statements.flat().flatMap((row) => String(Object.values(row)[0] ?? "").split("\n"));
}

async function readTap(lines: string[]): Promise<FinalResults> {
  const { promise, resolve } = Promise.withResolvers<FinalResults>();
  new Parser(resolve).end(
    lines.filter((line) => /^(not )?ok |^\d+\.\.\d+|^#|^Bail out!/.test(line)).join("\n") + "\n",
  );
  return await promise;
}

/** pgTAP explains a failure in the comment lines after it. */
function diagnosisOf(lines: string[], id: number): string[] {
  const start = lines.findIndex((line) => line.startsWith(`not ok ${id} `) || line === `not ok ${id}`) + 1;
  const length = lines.slice(start).findIndex((line) => !line.startsWith("#"));
  return lines.slice(start, length < 0 ? undefined : start + length);
}

function describeError(error: postgres.PostgresError, script: string, offset: number): string {
  const line = error.position
    ? `line ${script.slice(0, Number(error.position) - 1 - offset).split("\n").length}: `
    : "";
  return [`The file ended with an error, ${line}${error.message} (${error.code})`, error.detail, error.where]
    .filter(Boolean).join("\n");
}
