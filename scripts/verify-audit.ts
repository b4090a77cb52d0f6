/**
 * `deno task verify-audit`: whether the rows of immutable tables are those that were sealed and signed for. It shares no
 * code with what writes them; it knows only `.github/AUDIT.md`. The exit code is 0 when all is sound, 1 when something
 * is damaged, 2 when that could not be found out.
 */
import { announceInput, exitWithUsage, readArguments } from "./command-line.ts";
import { type Checkpoint, readCheckpoints } from "./verify-audit/checkpoints.ts";
import { withDatabase } from "./verify-audit/database.ts";
import { verifyExport } from "./verify-audit/export.ts";
import { Problem } from "./verify-audit/problem.ts";
import { checkConsistency, checkInclusion } from "./verify-audit/proof-files.ts";
import { parseVerifierKey, type VerifierKey } from "./verify-audit/signed-note.ts";
import { describe, isSound, type Verdict } from "./verify-audit/verdict.ts";
import { verifyTable } from "./verify-audit/verify-table.ts";

const usage =
  "verify-audit [<table>...] [--database-url=<url>] [--checkpoints=<folder, file or -> --key=<key>], " +
  "verify-audit --export=<file> --key=<key>, " +
  "verify-audit inclusion <proof file> --checkpoint=<file> --key=<key> [--row=<row text>], or " +
  "verify-audit consistency <proof file> --old=<file> --new=<file> --key=<key>";

const { values, words } = readArguments(usage, {
  "database-url": { type: "string" },
  checkpoints: { type: "string" },
  key: { type: "string", multiple: true },
  export: { type: "string" },
  checkpoint: { type: "string" },
  row: { type: "string" },
  old: { type: "string" },
  new: { type: "string" },
}, Infinity);

/** An option's value; ends with the usage when it is missing. */
function needed(option: string): string {
  return values[option] as string | undefined ?? exitWithUsage(`--${option} is needed here.`, usage);
}

function readKeys(): VerifierKey[] {
  needed("key");
  return (values.key as string[]).map(parseVerifierKey);
}

async function readFile(path: string | undefined, code: string): Promise<string> {
  if (!path) exitWithUsage("A proof file is needed.", usage);
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new Problem(code, `The file ${path} cannot be read: ${(error as Error).message}.`);
  }
}

/** An option or a word that would be passed over is a misunderstanding, and no verdict is given on it. */
function allowOnly(options: string[], mostWords: number): void {
  const option = Object.keys(values).find((name) => !options.includes(name));
  if (option) exitWithUsage(`--${option} is of no use here.`, usage);
  if (words.length > mostWords) exitWithUsage(`Unexpected argument '${words[mostWords]}'.`, usage);
}

let exitCode = 0;

/** Damage outweighs what could not be found out. */
function tellDamage(isDamaged: boolean): void {
  if (isDamaged) exitCode = 1;
}

function tellProblem({ code, message }: Problem): void {
  console.error(`${code}: ${message}`);
  if (exitCode === 0) exitCode = 2;
}

function tellVerdict(verdict: Verdict): void {
  console.log(describe(verdict).join("\n"));
  tellDamage(!isSound(verdict));
}

async function checkProof(kind: string, file: string | undefined): Promise<void> {
  const keys = readKeys();
  const note = (option: string) => readFile(needed(option), "audit.checkpoint_invalid");
  const proof = await readFile(file, "audit.proof_invalid");
  const answer = kind === "inclusion"
    ? checkInclusion(proof, await note("checkpoint"), keys, values.row as string | undefined)
    : checkConsistency(proof, await note("old"), await note("new"), keys);
  console.log(answer.sentence);
  tellDamage(!answer.isProven);
}

async function verifyDatabase(names: string[]): Promise<void> {
  const url = values["database-url"] as string | undefined || Deno.env.get("DATABASE_URL") ||
    exitWithUsage("No database is named: use --database-url or set DATABASE_URL.", usage);
  if (values.key && values.checkpoints === undefined) {
    exitWithUsage("--key is of no use without --checkpoints.", usage);
  }
  const checkpoints = values.checkpoints === undefined
    ? []
    : await givenCheckpoints(values.checkpoints as string);
  const byTable = Map.groupBy(checkpoints, ({ table }) => table);
  await withDatabase(url, async (database) => {
    const immutable = await database.immutableTables();
    const tables = names.length > 0
      ? names.map((name) => immutable.includes(name) ? name : name.replace(/^public\./, ""))
      : [...new Set([...immutable, ...byTable.keys()])];
    if (tables.length === 0) {
      throw new Problem(
        "audit.table_unknown",
        "The database has no immutable table. Check that it is the right one.",
      );
    }
    for (const table of tables) {
      try {
        const given = byTable.get(table) ?? [];
        const verdict = await verifyTable(database, table, immutable.includes(table), given);
        tellVerdict(verdict);
        if (checkpoints.length > 0 && verdict.blocks > 0 && given.length === 0) {
          throw new Problem(
            "audit.checkpoint_missing",
            `None of the checkpoints is of ${table}, whose tail may be cut. Get one, or name the tables to verify.`,
          );
        }
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        tellProblem(error);
      }
    }
  });
}

async function givenCheckpoints(path: string): Promise<Checkpoint[]> {
  if (path === "-") announceInput("checkpoints");
  const checkpoints = await readCheckpoints(path, readKeys(), tellProblem);
  if (checkpoints.length === 0) {
    tellProblem(new Problem("audit.checkpoint_invalid", `There is no usable checkpoint in ${path}.`));
  }
  return checkpoints;
}

try {
  const [word, file] = words;
  if (word === "inclusion" || word === "consistency") {
    allowOnly(word === "inclusion" ? ["key", "checkpoint", "row"] : ["key", "old", "new"], 2);
    await checkProof(word, file);
  } else if (values.export !== undefined) {
    allowOnly(["key", "export"], 0);
    tellVerdict(await verifyExport(values.export as string, readKeys()));
  } else {
    allowOnly(["key", "checkpoints", "database-url"], Infinity);
    await verifyDatabase(words);
  }
} catch (error) {
  if (error instanceof Problem) tellProblem(error);
  else {
    console.error(error);
    tellProblem(
      new Problem(
        "audit.verifier_failed",
        "The verifier failed, so that nothing is known. Report the error above.",
      ),
    );
  }
}
Deno.exit(exitCode);
