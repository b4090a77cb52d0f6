import { systemClock as clock } from "../_shared/adapters/clock.ts";
import { createDatabase } from "../_shared/adapters/database.ts";
import { readConfig } from "../_shared/adapters/env.ts";
import { createLogger } from "../_shared/adapters/logger.ts";
import { createRoleSource } from "../_shared/adapters/roles.ts";
import { createRouter } from "../_shared/http/router.ts";
import { invariantRoutes } from "./routes.ts";
import { CHECK_TIMEOUT_MS } from "./run-invariants.ts";

const { project } = readConfig(["project"]);
const database = createDatabase({ ...project, timeoutMs: CHECK_TIMEOUT_MS });

export default {
  fetch: createRouter({
    name: "invariants",
    keys: project,
    // Not the internal token: rules' own webhooks bring it, and nobody is to act in the name of the system.
    roles: createRoleSource(project),
    logger: createLogger({ clock }),
    routes: invariantRoutes({ database, clock }),
  }),
};
