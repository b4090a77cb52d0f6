/**
 * `deno task rotate-keys`: encrypts every stored secret with the first key of `TOKEN_ENCRYPTION_KEYS`, while the project
 * runs. A row that somebody else changed meanwhile is left as it is; it was encrypted anew by that change, or is by
 * running this again. Once a run finds everything current, older keys can be dropped.
 */
import { readArguments } from "./command-line.ts";
import { type DataApi, openProject, runCommand } from "./data-api.ts";
import type { TokenVault } from "../supabase/functions/_shared/ports.ts";

const PAGE = 500;

interface Grant {
  id: string;
  token_version: number;
  access_token: string | null;
  refresh_token: string | null;
}

interface Integration {
  id: string;
  oauth_config: { client_secret?: string | null } | null;
}

type Outcome = "current" | "re-encrypted" | "changed meanwhile" | "failed";

/** All rows of a table, in pages, in the order of their ids. */
async function* rowsOf<Row extends { id: string }>(api: DataApi, table: string, columns: string) {
  let last = "00000000-0000-0000-0000-000000000000";
  while (true) {
    const rows = await api<Row[]>("GET", `${table}?select=${columns}&id=gt.${last}&order=id&limit=${PAGE}`);
    yield* rows;
    if (rows.length < PAGE) return;
    last = rows.at(-1)!.id;
  }
}

async function reencrypt(vault: TokenVault, row: string, encrypted: string): Promise<string> {
  return await vault.encrypt(row, await vault.decrypt(row, encrypted));
}

async function rotateGrant(api: DataApi, vault: TokenVault, grant: Grant): Promise<Outcome> {
  const changes: Record<string, string> = {};
  for (const column of ["access_token", "refresh_token"] as const) {
    const encrypted = grant[column];
    if (encrypted && !vault.isEncryptedWithCurrentKey(encrypted)) {
      changes[column] = await reencrypt(vault, `user_integrations/${grant.id}/${column}`, encrypted);
    }
  }
  if (Object.keys(changes).length === 0) return "current";
  // New tokens come with a new version, so a pair is never mixed or overwritten.
  const changed = await api<unknown[]>(
    "PATCH",
    `user_integrations?id=eq.${grant.id}&token_version=eq.${grant.token_version}&select=id`,
    changes,
  );
  return changed.length === 1 ? "re-encrypted" : "changed meanwhile";
}

async function rotateClientSecret(
  api: DataApi,
  vault: TokenVault,
  integration: Integration,
): Promise<Outcome> {
  const { id, oauth_config } = integration;
  const encrypted = oauth_config?.client_secret;
  if (!encrypted || vault.isEncryptedWithCurrentKey(encrypted)) return "current";
  const client_secret = await reencrypt(vault, `integrations_master/${id}/client_secret`, encrypted);
  const changed = await api<unknown[]>(
    "PATCH",
    `integrations_master?id=eq.${id}&oauth_config->>client_secret=eq.${encrypted}&select=id`,
    { oauth_config: { ...oauth_config, client_secret } },
  );
  return changed.length === 1 ? "re-encrypted" : "changed meanwhile";
}

readArguments("rotate-keys");
await runCommand(async () => {
  const { api, vault, audit } = openProject();
  const counts: Record<Outcome, number> = {
    current: 0,
    "re-encrypted": 0,
    "changed meanwhile": 0,
    failed: 0,
  };
  const rotate = async (row: string, run: () => Promise<Outcome>) => {
    try {
      counts[await run()]++;
    } catch (error) {
      counts.failed++;
      console.error(`${row}: ${(error as Error).message}`);
    }
  };
  for await (
    const grant of rowsOf<Grant>(api, "user_integrations", "id,token_version,access_token,refresh_token")
  ) {
    await rotate(`user_integrations/${grant.id}`, () => rotateGrant(api, vault, grant));
  }
  for await (const integration of rowsOf<Integration>(api, "integrations_master", "id,oauth_config")) {
    await rotate(`integrations_master/${integration.id}`, () => rotateClientSecret(api, vault, integration));
  }
  await audit.logAction({
    ...{ actor: "rotate-keys", action: "secrets.encrypted_anew", resource: "setting:TOKEN_ENCRYPTION_KEYS" },
    ...{ result: counts.failed > 0 ? "incomplete" : "success", payload: counts },
  });
  console.log(Object.entries(counts).map(([outcome, rows]) => `${outcome}: ${rows}`).join(", "));
  if (counts.failed > 0) Deno.exit(1);
});
