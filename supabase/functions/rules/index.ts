import { readConfig } from "../_shared/adapters/env.ts";
import { createRoleSource } from "../_shared/adapters/roles.ts";
import { createRouter } from "../_shared/http/router.ts";
import { rulesDeps } from "../_shared/rules/deps.ts";
import { createRuleEngine } from "../_shared/rules/engine.ts";
import { ruleRoutes } from "./routes.ts";

const config = readConfig(["project"]);
const parts = rulesDeps();

export default {
  fetch: createRouter({
    name: "rules",
    keys: config.project,
    // Not the internal token: rules' own webhooks bring it, and nobody is to change rules in the name of the system.
    roles: createRoleSource(config.project),
    logger: parts.logger,
    mode: parts.mode,
    routes: ruleRoutes({ ...parts, engine: createRuleEngine(parts) }),
  }),
};
