import { teams } from "../_shared/core/notification/channels/teams.ts";
import { createAlertEndpoint } from "../_shared/integration/alert-endpoint.ts";

export default {
  fetch: createAlertEndpoint({
    name: "teams-alert",
    serviceName: "teams",
    urlSecret: "MICROSOFT_TEAMS_WEBHOOK_URL",
    render: teams.renderText,
  }),
};
