/** The Data, Auth and Storage APIs (`/rest/v1`, `/auth/v1`, `/storage/v1`), in a process of their own: see api-server.ts. */
import { join } from "node:path";
import { projectRoot } from "./paths.ts";
import type { StackSecrets } from "./secrets.ts";
import { type ServerProcess, serverProcess } from "./server-process.ts";

/**
 * Starts the APIs. They remember the schema: start them after the migrations.
 *
 * @param databaseUrl of the role `local_api`
 * @param storageFolder where the Storage API keeps its objects
 * @param log receives one line for each error that a request met
 */
export async function startApi(
  databaseUrl: string,
  storageFolder: string,
  secrets: StackSecrets,
  log: (line: string) => void,
): Promise<ServerProcess> {
  const api = serverProcess({
    args: ["-A", join(projectRoot, "scripts/stack/api-server.ts")],
    env: {
      DATABASE_URL: databaseUrl,
      STORAGE_FOLDER: storageFolder,
      JWT_SECRET: secrets.jwtSecret,
      PUBLISHABLE_KEY: secrets.publishableKey,
      SECRET_KEY: secrets.secretKey,
    },
    cwd: projectRoot,
    log: (line) => log(`[api] ${line}`),
  });
  await api.start();
  return api;
}
