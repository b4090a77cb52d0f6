import { systemClock as clock } from "../adapters/clock.ts";
import { createDatabase } from "../adapters/database.ts";
import { createEgress } from "../adapters/egress.ts";
import { readConfig } from "../adapters/env.ts";
import { createLogger } from "../adapters/logger.ts";
import { createSystemMode } from "../adapters/system-mode.ts";
import { hostAndPort } from "../core/egress/host-and-port.ts";
import type { ActionDeps } from "./action.ts";
import { createPluginRegistry } from "./plugins/registry.ts";
import { createPluginRuntime } from "./plugins/runtime.ts";
import { createRuleStorage, type RuleStorage } from "./storage.ts";

/**
 * What actions need besides plugins, made from the environment.
 *
 * @param lookup reads a variable; of this process's environment unless given
 * @throws {ConfigError} naming every variable that is missing or broken
 */
export function actionDeps(
  lookup?: (variable: string) => string | undefined,
): Omit<ActionDeps, "pluginRegistry" | "pluginRuntime"> {
  const config = readConfig(["project", "internalToken", "privateHosts", "webhookKeys", "anchor"], lookup);
  const projectUrl = config.project.url.replace(/\/+$/, "");
  const chain = config.anchor;
  const egress = createEgress(config);
  const database = createDatabase(config.project);
  return {
    database,
    mode: createSystemMode(database),
    // The project's own address may be a private one, as on a developer's machine.
    egress: createEgress({ privateHosts: [...config.privateHosts, hostAndPort(projectUrl)] }),
    projectUrl,
    internalToken: config.internalToken,
    privateHosts: config.privateHosts,
    signingKeys: config.webhookKeys,
    ...(chain && {
      // Loaded on first use: its library is large, and most projects have no chain.
      async anchor() {
        const { createAnchor } = await import("../adapters/evm.ts");
        return createAnchor({ egress, clock, ...chain });
      },
    }),
    clock,
    logger: createLogger({ clock }),
  };
}

/** Everything that an engine is made of, as {@link actionDeps} is made. Once per function. */
export function rulesDeps(
  lookup?: (variable: string) => string | undefined,
): ActionDeps & { storage: RuleStorage } {
  const deps = actionDeps(lookup);
  return {
    ...deps,
    storage: createRuleStorage(deps.database),
    pluginRegistry: createPluginRegistry(),
    pluginRuntime: createPluginRuntime(deps),
  };
}
