import { systemClock as clock } from "../_shared/adapters/clock.ts";
import { createDatabase } from "../_shared/adapters/database.ts";
import { readConfig } from "../_shared/adapters/env.ts";
import { createLogger } from "../_shared/adapters/logger.ts";
import { createRoleSource } from "../_shared/adapters/roles.ts";
import { createRouter } from "../_shared/http/router.ts";
import { systemModeRoutes } from "./routes.ts";

const { project } = readConfig(["project"]);
// The database waits up to 5 s for writers to end before it gives a change of the mode up.
const database = createDatabase({ ...project, timeoutMs: 20_000 });

export default {
  fetch: createRouter({
    name: "system-mode",
    keys: project,
    // Not the internal token: rules' own webhooks bring it, and nobody is to change the mode in the name of the system.
    roles: createRoleSource(project),
    logger: createLogger({ clock }),
    routes: systemModeRoutes({ database }),
  }),
};
