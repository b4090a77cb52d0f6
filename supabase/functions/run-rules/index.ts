import { z } from "zod";
import { readConfig } from "../_shared/adapters/env.ts";
import { createEndpoint } from "../_shared/http/endpoint.ts";
import { rulesDeps } from "../_shared/rules/deps.ts";
import { createRuleEngine } from "../_shared/rules/engine.ts";
import { runRules } from "./run-rules.ts";

const config = readConfig(["project", "internalToken"]);
const parts = rulesDeps();
const deps = { ...parts, engine: createRuleEngine(parts) };

export default {
  fetch: createEndpoint({
    name: "run-rules",
    auth: "secret",
    inSafeMode: "open",
    keys: config.project,
    internalToken: config.internalToken,
    logger: deps.logger,
    schema: z.object({}),
    handler: () => runRules(deps),
  }),
};
