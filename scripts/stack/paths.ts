/** Where the stack finds the project, and where it keeps its own files. */
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";

/** The repository's folder. */
export const projectRoot = resolve(import.meta.dirname!, "../..");

/** What a user types to empty the data; named in error texts. */
export const resetCommand = "npx -y deno@2.9.6 task reset";

/**
 * The folder for binaries, clusters and generated keys: `.stack/` in the project.
 *
 * PostgreSQL refuses to run as root, so root starts it as an ordinary user; that user may be unable to read a clone
 * below root's home, hence a cache folder of the machine, one for each clone.
 */
export function stackHome(): string {
  if (Deno.uid() !== 0) return join(projectRoot, ".stack");
  const clone = createHash("sha256").update(projectRoot).digest("hex").slice(0, 8);
  return `/var/cache/supabase-self-heal-${clone}`;
}

/** Creates the stack's own folder; readable for all, so that the database's user can pass through it. */
export async function prepareHome(): Promise<string> {
  const home = stackHome();
  await Deno.mkdir(home, { recursive: true, mode: 0o755 });
  return home;
}
