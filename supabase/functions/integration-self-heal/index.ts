import { systemClock as clock } from "../_shared/adapters/clock.ts";
import { createLogger } from "../_shared/adapters/logger.ts";
import { readConfig } from "../_shared/adapters/env.ts";
import { createEndpoint } from "../_shared/http/endpoint.ts";
import { createSelfHeal } from "./self-heal.ts";
import { healRequest, withMode } from "./request.ts";

const config = readConfig(["project", "internalToken", "tokenKeys", "privateHosts", "secretUrls", "llm"]);
const logger = createLogger({ clock });

export default {
  fetch: createEndpoint({
    name: "integration-self-heal",
    auth: "secret",
    inSafeMode: "open",
    keys: config.project,
    internalToken: config.internalToken,
    logger,
    schema: healRequest,
    input: withMode,
    handler: createSelfHeal(config, clock, logger),
  }),
};
