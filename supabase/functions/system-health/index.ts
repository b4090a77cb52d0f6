import { systemClock as clock } from "../_shared/adapters/clock.ts";
import { createDatabase } from "../_shared/adapters/database.ts";
import { readConfig } from "../_shared/adapters/env.ts";
import { createLogger } from "../_shared/adapters/logger.ts";
import { createRoleSource } from "../_shared/adapters/roles.ts";
import { createRouter } from "../_shared/http/router.ts";
import { route } from "../_shared/http/route.ts";
import { NEWEST_MIGRATION } from "./newest-migration.ts";

const { project } = readConfig(["project"]);
const database = createDatabase(project);
const handler = () => database.rpc("read_system_health", { p_migration: NEWEST_MIGRATION });

export default {
  fetch: createRouter({
    name: "system-health",
    keys: project,
    roles: createRoleSource(project),
    logger: createLogger({ clock }),
    routes: [route({ method: "GET", path: "/system-health", auth: "viewer", handler })],
  }),
};
