/** A project's tables, for commands that a person runs with a secret key. */
import { createDatabase } from "../supabase/functions/_shared/adapters/database.ts";
import { readConfig } from "../supabase/functions/_shared/adapters/env.ts";
import { createTokenVault } from "../supabase/functions/_shared/adapters/token-vault.ts";
import {
  getSubsystemLogger,
  type SubsystemLogger,
} from "../supabase/functions/_shared/audit/subsystem-logger.ts";
import type { TokenVault } from "../supabase/functions/_shared/ports.ts";

const TIMEOUT_MS = 30_000;

/** Sends one request to the Data API, such as `GET user_integrations?select=id`, and resolves to its JSON. */
export type DataApi = <T>(method: string, path: string, body?: unknown) => Promise<T>;

const NEEDED = {
  SUPABASE_URL: "the project's address",
  SUPABASE_SECRET_KEY: "one of its secret keys",
  TOKEN_ENCRYPTION_KEYS: "the same as its functions have",
};

/**
 * Opens the project that the environment names: `SUPABASE_URL`, `SUPABASE_SECRET_KEY`, `TOKEN_ENCRYPTION_KEYS`.
 *
 * @throws {Error} naming everything that is missing
 */
export function openProject(): { api: DataApi; vault: TokenVault; audit: SubsystemLogger } {
  const missing = Object.entries(NEEDED).filter(([name]) => !Deno.env.get(name));
  if (missing.length > 0) {
    const names = missing.map(([name, purpose]) => `${name} (${purpose})`).join(", ");
    throw new Error(`The environment lacks ${names}. For the local stack: . .stack/env`);
  }
  const config = readConfig(["project", "tokenKeys"], (name) => {
    return name === "SUPABASE_SECRET_KEYS"
      ? JSON.stringify({ default: Deno.env.get("SUPABASE_SECRET_KEY") })
      : Deno.env.get(name);
  });
  return {
    api: dataApi(config.project),
    vault: createTokenVault(config.tokenKeys),
    audit: getSubsystemLogger("self-heal", { database: createDatabase(config.project) }),
  };
}

function dataApi({ url, secretKey }: { url: string; secretKey: string }): DataApi {
  return async <T>(method: string, path: string, body?: unknown) => {
    const response = await fetch(`${url}/rest/v1/${path}`, {
      method,
      headers: { apikey: secretKey, "content-type": "application/json", prefer: "return=representation" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((error) => {
      throw new Error(`The project at ${url} does not answer: ${error.message}`);
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text || "null") as T;
    throw new Error(
      `The database refused ${method} ${path.split("?")[0]} (${response.status}): ${reasonOf(text)}`,
    );
  };
}

/** Only the message: its details may quote the row that was sent. */
function reasonOf(text: string): string {
  try {
    return JSON.parse(text).message;
  } catch {
    return "no reason given";
  }
}

/** Runs a command; its error becomes one line on stderr and exit code 1. */
export async function runCommand(command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(1);
  }
}
