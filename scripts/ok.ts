/** `deno task ok`: the quick gate. Format, lint, types, layers, and the core's tests without any permission. */
import { join } from "node:path";
import { checkLayers } from "./check-layers.ts";
import { readArguments } from "./command-line.ts";
import { projectRoot } from "./stack/paths.ts";
import { runDenoTest } from "./testing/deno-test.ts";
import { findTests, listFiles } from "./testing/find-tests.ts";

async function deno(...args: string[]): Promise<string | undefined> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: projectRoot })
    .output();
  return success ? undefined : new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

async function layers(): Promise<string | undefined> {
  const files = new Map<string, string>();
  for (const path of await listFiles("supabase/functions")) {
    if (path.endsWith(".ts")) files.set(path, await Deno.readTextFile(join(projectRoot, path)));
  }
  return checkLayers(files).join("\n") || undefined;
}

async function coreTests(): Promise<string | undefined> {
  const { core } = await findTests("");
  const { failed, details } = await runDenoTest([Deno.execPath()], ["--no-prompt"], core);
  return failed > 0 ? details : undefined;
}

/** Each check resolves to its complaint, or to nothing. */
const checks: [string, () => Promise<string | undefined>][] = [
  ["format", () => deno("fmt", "--check")],
  ["lint", () => deno("lint")],
  ["types", () => deno("check", "--quiet")],
  ["layers", layers],
  ["core tests, no permissions", coreTests],
];

readArguments("ok");
let failed = false;
for (const [name, check] of checks) {
  const start = performance.now();
  const complaint = await check();
  console.log(`${complaint ? "✗" : "✓"} ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  if (complaint) {
    failed = true;
    console.log(complaint.trimEnd().replace(/^/gm, "    "));
  }
}
Deno.exit(failed ? 1 : 0);
