import { z } from "zod";
import { systemClock as clock } from "../_shared/adapters/clock.ts";
import { createDatabase } from "../_shared/adapters/database.ts";
import { createEgress } from "../_shared/adapters/egress.ts";
import { readConfig } from "../_shared/adapters/env.ts";
import { createLogger } from "../_shared/adapters/logger.ts";
import { createEndpoint } from "../_shared/http/endpoint.ts";
import { dispatchOutbox } from "./dispatch-outbox.ts";

const config = readConfig([
  "project",
  "internalToken",
  "privateHosts",
  "secretUrls",
  "pager",
  "dashboardUrl",
]);
const logger = createLogger({ clock });
const deps = {
  database: createDatabase(config.project),
  egress: createEgress(config),
  ...{ clock, logger, pager: config.pager, dashboardUrl: config.dashboardUrl },
  projectHost: new URL(config.project.url).host,
  urls: { slack: config.secretUrls.SLACK_WEBHOOK_URL, teams: config.secretUrls.MICROSOFT_TEAMS_WEBHOOK_URL },
};

export default {
  fetch: createEndpoint({
    name: "dispatch",
    auth: "secret",
    inSafeMode: "open",
    keys: config.project,
    internalToken: config.internalToken,
    logger,
    schema: z.object({}),
    handler: () => dispatchOutbox(deps),
  }),
};
