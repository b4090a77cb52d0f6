import { z } from "zod";
import { readConfig } from "../_shared/adapters/env.ts";
import { publishDeps } from "../_shared/audit/deps.ts";
import { publishCheckpoints } from "../_shared/audit/publish-checkpoints.ts";
import { createEndpoint } from "../_shared/http/endpoint.ts";

const config = readConfig(["project", "internalToken"]);
const deps = await publishDeps();

export default {
  fetch: createEndpoint({
    name: "publish-checkpoints",
    auth: "secret",
    inSafeMode: "open",
    keys: config.project,
    internalToken: config.internalToken,
    logger: deps.logger,
    schema: z.object({}),
    handler: () => publishCheckpoints(deps),
  }),
};
