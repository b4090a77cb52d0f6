/** A project's tables, for commands that a person runs with a secret key. */
import { createDatabase } from "../supabase/functions/_shared/adapters/database.ts";
import { readConfig } from "../supabase/functions/_shared/adapters/env.ts";
import { createTokenVault } from "../supabase/functions/_shared/adapters/token-vault.ts";
import {
  getSubsystemLogger,
  type SubsystemLogger,
} from "../supabase/functions/_shared/audit/subsystem-logger.ts";
import type { TokenVault } from "../supabase/functions/_shared/ports.ts";

/** Sends one request to the Data API, such as `GET user_integrations?select=id`, and resolves to its JSON. */
export type DataApi = <T>(method: string, path: string, body?: unknown) => Promise<T>;

/** A request that the Data API refused. */
export class RefusedError extends Error {
  /** @param code the machine code that SQL gave, such as `invariant.busy` */
  constructor(message: string, readonly code?: string) {
    super(message);
  }
}

const PURPOSES = {
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
  requireVariables(["SUPABASE_URL", "SUPABASE_SECRET_KEY", "TOKEN_ENCRYPTION_KEYS"]);
  const config = readConfig(["project", "tokenKeys"], lookup);
  return {
    api: dataApi(config.project),
    vault: createTokenVault(config.tokenKeys),
    audit: getSubsystemLogger("self-heal", { database: createDatabase(config.project) }),
  };
}

/**
 * Opens only the tables and functions of the project that `SUPABASE_URL` and `SUPABASE_SECRET_KEY` name.
 *
 * @param timeoutMs limit of one request in milliseconds
 * @throws {Error} naming everything that is missing
 */
export function openDataApi(timeoutMs: number): DataApi {
  requireVariables(["SUPABASE_URL", "SUPABASE_SECRET_KEY"]);
  return dataApi(readConfig(["project"], lookup).project, timeoutMs);
}

function requireVariables(names: (keyof typeof PURPOSES)[]): void {
  const missing = names.filter((name) => !Deno.env.get(name)).map((name) => `${name} (${PURPOSES[name]})`);
  if (missing.length === 0) return;
  throw new Error(`The environment lacks ${missing.join(", ")}. For the local stack: . .stack/env`);
}

/** The one key that a person has stands for the set that a function has. */
function lookup(name: string): string | undefined {
  return name === "SUPABASE_SECRET_KEYS"
    ? JSON.stringify({ default: Deno.env.get("SUPABASE_SECRET_KEY") })
    : Deno.env.get(name);
}

function dataApi({ url, secretKey }: { url: string; secretKey: string }, timeoutMs = 30_000): DataApi {
  return async <T>(method: string, path: string, body?: unknown) => {
    const response = await fetch(`${url}/rest/v1/${path}`, {
      method,
      headers: { apikey: secretKey, "content-type": "application/json", prefer: "return=representation" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    }).catch((error) => {
      throw new Error(`The project at ${url} does not answer: ${error.message}`);
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text || "null") as T;
    const { message, hint } = reasonOf(text);
    throw new RefusedError(
      `The database refused ${method} ${path.split("?")[0]} (${response.status}): ${message}`,
      hint,
    );
  };
}

/** Of what it says only these are used: its details may quote the row that was sent. */
function reasonOf(text: string): { message: string; hint?: string } {
  try {
    return JSON.parse(text);
  } catch {
    return { message: "no reason given" };
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
