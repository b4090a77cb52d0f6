import { z } from "zod";
import { systemClock as clock } from "../_shared/adapters/clock.ts";
import { readConfig } from "../_shared/adapters/env.ts";
import { createLogger } from "../_shared/adapters/logger.ts";
import { createEndpoint } from "../_shared/http/endpoint.ts";
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

/** Answers events with a `PluginOutcome`, status 200 whatever came of them. */
export function createPluginsEndpoint(
  plugins: readonly Plugin[],
  timeLimitMs?: number,
): (request: Request) => Promise<Response> {
  const config = readConfig(["project", "internalToken"]);
  const logger = createLogger({ clock });
  return createEndpoint({
    name: "plugins",
    auth: "secret",
    keys: config.project,
    internalToken: config.internalToken,
    logger,
    schema: emissionSchema,
    maxBytes: MAX_BYTES,
    handler: (emission) => runPlugin(plugins, emission, { logger, timeLimitMs }),
  });
}
