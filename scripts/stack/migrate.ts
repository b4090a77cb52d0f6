/** Migrations, applied by the real Supabase CLI. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { StackError } from "./stack-error.ts";

/** The one version of the Supabase CLI that this project uses. */
export const supabaseCli = "supabase@3.1.0";

/**
 * Runs the Supabase CLI against a database.
 *
 * @param project folder that holds `supabase/`
 * @returns everything the CLI printed
 * @throws StackError `tool.missing` without npx, `supabase.failed` with the CLI's output when it fails
 */
export async function runSupabaseCli(project: string, args: string[]): Promise<string> {
  const command = new Deno.Command("npx", {
    args: ["-y", supabaseCli, ...args, "--workdir", project],
    env: { DO_NOT_TRACK: "1", SUPABASE_TELEMETRY_DISABLED: "1", NO_COLOR: "1" },
    stdin: "null",
  });
  const result = await command.output().catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new StackError(
      "tool.missing",
      "The command npx is missing: install Node.js 20 or newer, it brings npx.",
    );
  });
  const output = new TextDecoder().decode(result.stdout) + new TextDecoder().decode(result.stderr);
  if (!result.success) {
    throw new StackError(
      "supabase.failed",
      `The Supabase CLI failed (${args.slice(0, 2).join(" ")}):\n${output.trim()}`,
    );
  }
  return output;
}

/** Applies the migrations that a database lacks. */
export async function applyMigrations(project: string, databaseUrl: string): Promise<void> {
  await runSupabaseCli(project, ["db", "push", "--yes", `--remote=${databaseUrl}`]);
}

/** Applies all migrations and `seed.sql` to a database that has none yet. */
export async function migrateAndSeed(project: string, databaseUrl: string): Promise<void> {
  await runSupabaseCli(project, ["db", "push", "--yes", "--include-seed", `--remote=${databaseUrl}`]);
}

/** Digests of a project's migrations, in the order of their names: `{ "<file name>": "<sha256>" }`. */
export async function migrationDigests(project: string): Promise<Record<string, string>> {
  const folder = join(project, "supabase/migrations");
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) if (name.endsWith(".sql")) names.push(name);
  const digests: Record<string, string> = {};
  for (const name of names.sort()) {
    digests[name] = createHash("sha256").update(await Deno.readFile(join(folder, name))).digest("hex");
  }
  return digests;
}

/** The content of a project's `seed.sql`; empty when there is none. */
export async function readSeed(project: string): Promise<string> {
  try {
    return await Deno.readTextFile(join(project, "supabase/seed.sql"));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
