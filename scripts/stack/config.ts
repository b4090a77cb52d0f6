/** The part of `supabase/config.toml` that the local gateway needs. */
import { join } from "node:path";
import { parse } from "smol-toml";

/**
 * Which functions require a signed token before they are called.
 *
 * @param project folder that holds `supabase/config.toml`
 * @returns a predicate by function name; as on the hosted platform, a function that is not configured requires one
 */
export async function readVerifyJwt(project: string): Promise<(name: string) => boolean> {
  const config = parse(await Deno.readTextFile(join(project, "supabase/config.toml"))) as {
    functions?: Record<string, { verify_jwt?: boolean }>;
  };
  return (name) => config.functions?.[name]?.verify_jwt ?? true;
}
