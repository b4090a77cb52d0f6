import { readConfig } from "../_shared/adapters/env.ts";
import { createEndpoint } from "../_shared/http/endpoint.ts";
import { integrationDeps } from "../_shared/integration/deps.ts";
import { forceFailure } from "../_shared/integration/forced-failure.ts";
import { receiveEvent } from "./receive-event.ts";

const config = readConfig(["project", "development"]);
const forcible = { service_name: "stripe", event_type: "webhook.failed" };
const deps = {
  ...integrationDeps(),
  development: config.development,
  // Read when an event comes: a failure can be forced without it.
  secret: () => readConfig(["stripeWebhookSecret"]).stripeWebhookSecret,
};

export default {
  fetch: createEndpoint({
    name: "stripe-webhook",
    auth: "none",
    keys: config.project,
    logger: deps.logger,
    maxBytes: 256 * 1024,
    handler: async (_input, { request, rawBody, requestId }) =>
      await forceFailure(request, forcible, deps) ??
        await receiveEvent(request, rawBody, requestId, deps),
  }),
};
