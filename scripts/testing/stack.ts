/** Throw-away stacks and databases for tests: everything real, on free ports, gone when they stop. */
import { asSuperuser, beginNow, databaseUrl, throwAwayData } from "../stack/database.ts";
import { prepareHome, projectRoot } from "../stack/paths.ts";
import { freePort } from "../stack/ports.ts";
import { startCluster } from "../stack/postgres.ts";
import { unpackPostgres } from "../stack/postgres-programs.ts";
import { loadSecrets } from "../stack/secrets.ts";
import { type Stack, type StackOptions, startStack } from "../stack/stack.ts";
import { rm } from "node:fs/promises";

/**
 * Starts a stack with all migrations applied. It takes about a second, so every test file has its own.
 *
 * @param env variables for the functions, on top of the platform's
 * @param options anything else that {@link startStack} understands
 */
export async function testStack(
  env: Record<string, string> = {},
  options: StackOptions = {},
): Promise<Stack> {
  return await startStack({ throwAway: true, env, ...options });
}

/**
 * Starts only a database with all migrations and pgTAP; `url` is of role `postgres`.
 *
 * @param durable whether a commit waits for the disk, as on a hosted database
 * @param settings of the server, on top of the usual ones
 */
export async function testDatabase(
  durable = false,
  settings: Record<string, string> = {},
): Promise<{ url: string; stop(): Promise<void> }> {
  const home = await prepareHome();
  const secrets = await loadSecrets(home);
  const programs = await unpackPostgres(home);
  const data = await throwAwayData({ project: projectRoot, home, programs, secrets });
  const port = freePort();
  const cluster = await startCluster(programs, data, {
    port,
    password: secrets.databasePassword,
    durable,
    settings,
  });
  await asSuperuser(port, secrets, "create extension pgtap with schema extensions");
  const url = databaseUrl(port, secrets);
  await beginNow(url);
  return {
    url,
    async stop() {
      await cluster.stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}
