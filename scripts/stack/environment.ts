/** The environment of the functions, and of people's shells. */
import { join } from "node:path";
import { parseEnv } from "node:util";
import { projectRoot } from "./paths.ts";
import type { StackSecrets } from "./secrets.ts";

/** The variables that the hosted platform gives to every function, and the local values of this product's secrets. */
export function platformEnvironment(
  url: string,
  databaseUrl: string,
  secrets: StackSecrets,
): Record<string, string> {
  return {
    SUPABASE_URL: url,
    SUPABASE_DB_URL: databaseUrl,
    SUPABASE_ANON_KEY: secrets.anonKey,
    SUPABASE_SERVICE_ROLE_KEY: secrets.serviceRoleKey,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: secrets.publishableKey }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: secrets.secretKey }),
    ENVIRONMENT: "development",
    INTERNAL_WEBHOOK_TOKEN: secrets.internalWebhookToken,
    TOKEN_ENCRYPTION_KEYS: secrets.tokenEncryptionKeys,
    WEBHOOK_SIGNING_KEYS: secrets.webhookSigningKeys,
    AUDIT_SIGNING_KEY: secrets.auditSigningKey,
    AUDIT_VERIFIER_KEY: secrets.auditVerifierKey,
  };
}

/**
 * The variables of `supabase/functions/.env`, which the Supabase CLI reads as well; none when there is no such file.
 * Names that begin with `SUPABASE_` are the platform's own, there and here: the file's are passed over.
 */
export async function readEnvFile(project: string): Promise<Record<string, string>> {
  try {
    const text = await Deno.readTextFile(join(project, "supabase/functions/.env"));
    const variables = Object.entries(parseEnv(text) as Record<string, string>);
    return Object.fromEntries(variables.filter(([name]) => !name.startsWith("SUPABASE_")));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

/** What people's commands need of the functions' environment, above all those of the README. */
export function shellEnvironment(env: Record<string, string>): Record<string, string> {
  const names = ["SUPABASE_URL", "SUPABASE_DB_URL", "SUPABASE_ANON_KEY", "INTERNAL_WEBHOOK_TOKEN"];
  return {
    ...Object.fromEntries(
      [...names, "TOKEN_ENCRYPTION_KEYS", "WEBHOOK_SIGNING_KEYS", "AUDIT_VERIFIER_KEY"].map((
        name,
      ) => [name, env[name]!]),
    ),
    SUPABASE_SECRET_KEY: JSON.parse(env.SUPABASE_SECRET_KEYS!).default,
  };
}

/**
 * Writes `.stack/env`, with which a shell gets the {@link shellEnvironment} (`. .stack/env`); readable for the current
 * user only.
 *
 * @param env the functions' environment
 * @returns the file's path
 */
export async function writeShellEnvironment(env: Record<string, string>): Promise<string> {
  const folder = join(projectRoot, ".stack");
  const lines = Object.entries(shellEnvironment(env)).map(([name, value]) =>
    `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`
  );
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "env"), lines.join(""), { mode: 0o600 });
  return join(folder, "env");
}
