/** Small Supabase projects for tests of the stack itself. */
import { dirname, join } from "node:path";

/** A project in a temporary folder. */
export interface TestProject {
  folder: string;
  remove(): Promise<void>;
}

/**
 * Writes a project's files.
 *
 * @param files content by path below `supabase/`, for example `functions/hello/index.ts`
 */
export async function testProject(files: Record<string, string>): Promise<TestProject> {
  const folder = await Deno.makeTempDir({ prefix: "stack-test-" });
  for (const [path, content] of Object.entries({ "config.toml": "", "migrations/.keep": "", ...files })) {
    const file = join(folder, "supabase", path);
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeTextFile(file, content);
  }
  return { folder, remove: () => Deno.remove(folder, { recursive: true }) };
}

/** The source of a function that answers with JSON. */
export function functionSource(expression: string): string {
  return `export default { fetch: async (request: Request) => Response.json(${expression}) };\n`;
}
