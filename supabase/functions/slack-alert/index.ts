import { slack } from "../_shared/core/notification/channels/slack.ts";
import { createAlertEndpoint } from "../_shared/integration/alert-endpoint.ts";

export default {
  fetch: createAlertEndpoint({
    name: "slack-alert",
    serviceName: "slack",
    urlSecret: "SLACK_WEBHOOK_URL",
    render: slack.renderText,
  }),
};
