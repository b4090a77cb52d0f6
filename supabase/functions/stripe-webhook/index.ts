import { systemClock as clock } from "../_shared/adapters/clock.ts";
import { readConfig } from "../_shared/adapters/env.ts";
import { getSubsystemLogger } from "../_shared/audit/subsystem-logger.ts";
import { createEndpoint } from "../_shared/http/endpoint.ts";
import { integrationDeps } from "../_shared/integration/deps.ts";
import { forceFailure } from "../_shared/integration/forced-failure.ts";
import { receiveEvent } from "./receive-event.ts";
import { createRefusalLog } from "./refusals.ts";

const config = readConfig(["project", "development"]);
const forcible = { service_name: "stripe", event_type: "webhook.failed" };
const integration = integrationDeps();
const deps = {
  ...integration,
  development: config.development,
  logRefusal: createRefusalLog({ logger: getSubsystemLogger("stripe-webhook", integration), clock }),
  // Read when an event comes: a failure can be forced without it.
  secret: () => readConfig(["stripeWebhookSecret"]).stripeWebhookSecret,
};

export default {
  fetch: createEndpoint({
    name: "stripe-webhook",
    auth: "none",
    keys: config.project,
    logger: deps.logger,
    mode: deps.mode,
    maxBytes: 256 * 1024,
    handler: async (_input, { request, rawBody, requestId }) =>
      await forceFailure(request, forcible, deps) ??
        await receiveEvent(request, rawBody, requestId, deps),
  }),
};
