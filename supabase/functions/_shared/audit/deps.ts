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
    ["project", "privateHosts", "auditKeys", "checkpointFolder", "witnessUrl", "anchor"],
    lookup,
  );
  // The project's own address may be a private one, as on a developer's machine.
  const ownProject = createEgress({ privateHosts: [hostAndPort(config.project.url)] });
  const egress = createEgress(config);
  const chain = config.anchor;
  return {
    database: createDatabase(config.project),
    egress,
    store: createCheckpointStore({
      folder: config.checkpointFolder,
      project: config.project,
      egress: ownProject,
    }),
    keys: await readAuditKeys(config.auditKeys),
    witnessUrl: config.witnessUrl,
    // Loaded on first use: its library is large, and most projects have no chain.
    anchor: chain && (async () => {
      const { createAnchor } = await import("../adapters/evm.ts");
      return createAnchor({ egress, clock, ...chain });
    }),
    ...{ clock, logger },
  };
}
