import { systemClock as clock } from "../_shared/adapters/clock.ts";
import { createDatabase } from "../_shared/adapters/database.ts";
import { readConfig } from "../_shared/adapters/env.ts";
import { createLogger } from "../_shared/adapters/logger.ts";
import { createRoleSource } from "../_shared/adapters/roles.ts";
import { createRouter } from "../_shared/http/router.ts";
import { cronRoutes } from "./routes.ts";

const { project, internalToken } = readConfig(["project", "internalToken"]);

export default {
  fetch: createRouter({
    name: "cron",
    keys: project,
    internalToken,
    roles: createRoleSource(project),
    logger: createLogger({ clock }),
    routes: cronRoutes({ database: createDatabase(project) }),
  }),
};
