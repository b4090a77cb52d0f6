import { createBackground } from "../adapters/background.ts";
import { systemClock as clock } from "../adapters/clock.ts";
import { createDatabase } from "../adapters/database.ts";
import { createEgress } from "../adapters/egress.ts";
import { readConfig } from "../adapters/env.ts";
import { createLogger } from "../adapters/logger.ts";
import { createTokenEndpoint } from "../adapters/oauth.ts";
import { createSystemMode } from "../adapters/system-mode.ts";
import { createTokenVault } from "../adapters/token-vault.ts";
import { hostAndPort } from "../core/egress/host-and-port.ts";
import { createGrantRefresher } from "../grants/refresher.ts";
import type { Logger } from "../ports.ts";
import type { IntegrationDeps } from "./create-integration.ts";
import { createJournal } from "./journal.ts";
import { createTokenSource } from "./token-source.ts";

/**
 * Everything that `createIntegration` needs, made from the environment. Once per function.
 *
 * @param lookup reads a variable; of this process's environment unless given
 * @param logger writes to the console unless given
 * @throws {ConfigError} naming every variable that is missing
 */
export function integrationDeps(
  lookup?: (variable: string) => string | undefined,
  logger: Logger = createLogger({ clock }),
): IntegrationDeps {
  const config = readConfig(["project", "internalToken", "tokenKeys", "privateHosts", "secretUrls"], lookup);
  const database = createDatabase(config.project);
  const egress = createEgress(config);
  const background = createBackground({ logger });
  const vault = createTokenVault(config.tokenKeys);
  const tokenEndpoint = createTokenEndpoint({ egress, clock });
  const refresher = createGrantRefresher({ database, vault, tokenEndpoint, clock, background });
  const journal = createJournal({
    ...{ database, clock, logger, background },
    // The project's own address may be a private one, as on a developer's machine.
    egress: createEgress({ privateHosts: [hostAndPort(config.project.url)] }),
    projectUrl: config.project.url,
    internalToken: config.internalToken,
  });
  const tokens = createTokenSource({ vault, refresher, clock });
  const mode = createSystemMode(database);
  return { database, egress, clock, logger, journal, tokens, mode, secretUrls: config.secretUrls };
}
