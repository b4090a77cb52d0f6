import { z } from "zod";
import { systemClock as clock } from "../_shared/adapters/clock.ts";
import { createDatabase } from "../_shared/adapters/database.ts";
import { readConfig } from "../_shared/adapters/env.ts";
import { createLogger } from "../_shared/adapters/logger.ts";
import { createSystemMode } from "../_shared/adapters/system-mode.ts";
import { createEndpoint } from "../_shared/http/endpoint.ts";
import type { SystemMode } from "../_shared/ports.ts";
import type { Plugin } from "../_shared/rules/plugins/plugin.ts";
import { runPlugin } from "./run-plugin.ts";

/** A rendered payload of 64 kB, and what is around it. */
const MAX_BYTES = 80 * 1024;

const emissionSchema = z.object({
  pluginId: z.string(),
  eventType: z.string(),
  payload: z.unknown(),
  runId: z.string().min(1).max(200),
});

/**
 * Answers events with a `PluginOutcome`, status 200 whatever came of them.
 *
 * @param mode as the database has it unless given
 */
export function createPluginsEndpoint(
  plugins: readonly Plugin[],
  { timeLimitMs, mode }: { timeLimitMs?: number; mode?: SystemMode } = {},
): (request: Request) => Promise<Response> {
  const config = readConfig(["project", "internalToken"]);
  const logger = createLogger({ clock });
  return createEndpoint({
    name: "plugins",
    auth: "secret",
    keys: config.project,
    internalToken: config.internalToken,
    logger,
    mode: mode ?? createSystemMode(createDatabase(config.project)),
    schema: emissionSchema,
    maxBytes: MAX_BYTES,
    handler: (emission) => runPlugin(plugins, emission, { logger, timeLimitMs }),
  });
}
