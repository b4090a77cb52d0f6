/** Finds the test files and sorts them by what they need. */
import { join, relative } from "node:path";
import { projectRoot } from "../stack/paths.ts";

/** Paths relative to the repository. */
export interface TestFiles {
  /** Decisions: run without any permission, on both versions of Deno. */
  core: string[];
  /** Endpoint pipeline and adapters: run with permissions, on both versions of Deno. */
  shell: string[];
  /** What the database promises to many connections at once, and through crashes. */
  database: string[];
  /** Everything else that starts a stack or other real parts. */
  endToEnd: string[];
  pgTap: string[];
}

/** @param filter keeps only paths that contain it */
export async function findTests(filter: string): Promise<TestFiles> {
  const all = [...await listFiles("supabase"), ...await listFiles("scripts")].sort();
  const chosen = all.filter((path) => path.includes(filter));
  const files: TestFiles = { core: [], shell: [], database: [], endToEnd: [], pgTap: [] };
  for (const path of chosen) {
    if (path.endsWith(".test.sql")) files.pgTap.push(path);
    else if (path.endsWith(".test.ts")) files[await kindOf(path)].push(path);
  }
  return files;
}

async function kindOf(path: string): Promise<"core" | "shell" | "database" | "endToEnd"> {
  if (path.startsWith("supabase/functions/_shared/core/")) return "core";
  if (path.startsWith("supabase/tests/")) return "database";
  if (!path.startsWith("supabase/functions/_shared/")) return "endToEnd";
  const startsStack = (await Deno.readTextFile(join(projectRoot, path))).includes("scripts/testing/");
  return startsStack ? "endToEnd" : "shell";
}

/** Every file below a folder, relative to the repository. */
export async function listFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(projectRoot, folder))) {
    const path = relative(projectRoot, join(projectRoot, folder, name));
    if (isDirectory && name !== "node_modules") found.push(...await listFiles(path));
    else if (!isDirectory) found.push(path);
  }
  return found;
}
