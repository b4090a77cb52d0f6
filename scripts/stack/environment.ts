/** The environment of the functions. */
import { join } from "node:path";
import { parseEnv } from "node:util";
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
  };
}

/** The variables of `supabase/functions/.env`, which the Supabase CLI reads as well; none when there is no such file. */
export async function readEnvFile(project: string): Promise<Record<string, string>> {
  try {
    const text = await Deno.readTextFile(join(project, "supabase/functions/.env"));
    return parseEnv(text) as Record<string, string>;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}
