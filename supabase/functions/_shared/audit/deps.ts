import { createCheckpointStore } from "../adapters/checkpoint-store.ts";
import { systemClock as clock } from "../adapters/clock.ts";
import { createDatabase } from "../adapters/database.ts";
import { createEgress } from "../adapters/egress.ts";
import { readConfig } from "../adapters/env.ts";
import { createLogger } from "../adapters/logger.ts";
import { hostAndPort } from "../core/egress/host-and-port.ts";
import type { Logger } from "../ports.ts";
import { readAuditKeys } from "./keys.ts";
import type { PublishDeps } from "./place.ts";

/**
 * Everything that publishing and verifying need, made from the environment. Once per function.
 *
 * @param lookup reads a variable; of this process's environment unless given
 * @param logger writes to the console unless given
 * @throws {ConfigError} naming every variable that is missing or broken
 */
export async function publishDeps(
  lookup?: (variable: string) => string | undefined,
  logger: Logger = createLogger({ clock }),
): Promise<PublishDeps> {
  const config = readConfig(
    ["project", "privateHosts", "auditKeys", "checkpointFolder", "witnessUrl"],
    lookup,
  );
  // The project's own address may be a private one, as on a developer's machine.
  const ownProject = createEgress({ privateHosts: [hostAndPort(config.project.url)] });
  return {
    database: createDatabase(config.project),
    egress: createEgress(config),
    store: createCheckpointStore({
      folder: config.checkpointFolder,
      project: config.project,
      egress: ownProject,
    }),
    keys: await readAuditKeys(config.auditKeys),
    witnessUrl: config.witnessUrl,
    ...{ clock, logger },
  };
}
