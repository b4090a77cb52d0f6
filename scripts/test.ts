/**
 * `deno task test [-- <part of a path>]`: every test of the project, on throw-away databases and free ports, beside a
 * stack that may be running. Prints one line for each part, and `N passed, N failed` as the last one.
 */
import { readArguments } from "./command-line.ts";
import { runDebianLane } from "./testing/debian-lane.ts";
import { runDenoTest } from "./testing/deno-test.ts";
import { findTests, type TestFiles } from "./testing/find-tests.ts";
import { pgTapPart } from "./testing/pgtap.ts";
import { TestReport } from "./testing/report.ts";
import { testDatabase } from "./testing/stack.ts";

const thisDeno = [Deno.execPath()];
/** The line of Deno that the hosted platform runs. It cannot read this repository's lock file. */
const hostedDeno = ["npx", "-y", "deno@2.1.4"];
const onHostedDeno = ["--no-lock", "--no-check", "--node-modules-dir=none"];

async function runUnitTests(report: TestReport, { core, shell }: TestFiles): Promise<void> {
  const run = async (name: string, command: string[], args: string[], files: string[]) => {
    if (files.length > 0) await report.part(name, () => runDenoTest(command, args, files));
  };
  await run("core, no permissions", thisDeno, ["--no-prompt"], core);
  await run(
    "core, no permissions, on the hosted Deno 2.1",
    hostedDeno,
    [...onHostedDeno, "--no-prompt"],
    core,
  );
  await run("http and adapters", thisDeno, ["-A"], shell);
  await run("http and adapters on the hosted Deno 2.1", hostedDeno, [...onHostedDeno, "-A"], shell);
}

async function runDatabaseTests(report: TestReport, { pgTap }: TestFiles): Promise<void> {
  if (pgTap.length === 0) return;
  await report.part("pgTAP on PostgreSQL 17", async () => {
    const database = await testDatabase();
    try {
      return await pgTapPart(database.url, pgTap);
    } finally {
      await database.stop();
    }
  });
}

/** Side by side, as each of them waits more than it works. */
async function runRealParts(report: TestReport, { database, endToEnd }: TestFiles): Promise<void> {
  const run = async (name: string, files: string[]) => {
    if (files.length > 0) await report.part(name, () => runDenoTest(thisDeno, ["-A"], files));
  };
  await Promise.all([run("databases under many connections", database), run("end to end", endToEnd)]);
}

const { words: [filter = ""] } = readArguments("test [<part of a path>]", {}, 1);
const files = await findTests(filter);
if (Object.values(files).flat().length === 0) console.error(`No test file has "${filter}" in its path.`);
const report = new TestReport();

const secondLane = filter
  ? undefined
  : runDebianLane(report, files.pgTap).catch((error) =>
    report.part("Debian's PostgreSQL 15", () => Promise.reject(error))
  );
await Promise.all([runUnitTests(report, files), runDatabaseTests(report, files)]);
await runRealParts(report, files);
await secondLane;

const { passed, failed } = report.finish();
Deno.exit(failed > 0 || passed === 0 ? 1 : 0);
