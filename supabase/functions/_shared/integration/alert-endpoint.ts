import { z } from "zod";
import { readConfig } from "../adapters/env.ts";
import { ATTEMPT_HEADER } from "../core/recovery/replay.ts";
import { createEndpoint } from "../http/endpoint.ts";
import { errorResponse } from "../http/errors.ts";
import type { CallResult } from "./call.ts";
import { integrationDeps } from "./deps.ts";
import { forceFailure } from "./forced-failure.ts";
import { createIntegration } from "./create-integration.ts";

const MAX_MESSAGE = 3_000;

const alert = z.object({ message: z.string().trim().min(1).max(MAX_MESSAGE) });

/**
 * The endpoint that sends `{ "message": "..." }` to people by an incoming webhook whose URL is a secret.
 *
 * @param options.name the function's name
 * @param options.serviceName the integration's name
 * @param options.urlSecret the setting that holds the webhook's URL
 * @param options.render the body that the webhook expects for a text
 */
export function createAlertEndpoint(
  { name, serviceName, urlSecret, render }: {
    name: string;
    serviceName: string;
    urlSecret: string;
    render: (text: string) => string;
  },
): (request: Request) => Promise<Response> {
  const { project, internalToken, development } = readConfig(["project", "internalToken", "development"]);
  const deps = integrationDeps();
  const integration = createIntegration(serviceName, deps);
  return createEndpoint({
    name,
    // The publishable key is public: outside of development it must not be enough to write to people.
    auth: development ? "publishable" : "secret",
    keys: project,
    internalToken,
    logger: deps.logger,
    mode: deps.mode,
    schema: alert,
    async handler({ message }, { request, requestId }) {
      const outbound = {
        method: "POST",
        url: "",
        url_secret: urlSecret,
        headers: { "content-type": "application/json" },
        body: render(message),
      };
      const pretended = { service_name: serviceName, event_type: "alert.failed", request: outbound };
      const forced = await forceFailure(request, pretended, { ...deps, development });
      if (forced) return forced;
      const attempt = request.headers.get(ATTEMPT_HEADER);
      const result = await integration.call({ event_type: "alert", request: outbound, attempt });
      return answer(result, requestId);
    },
  });
}

function answer(result: CallResult, requestId: string): Response {
  switch (result.outcome) {
    case "success":
      return Response.json({ success: true });
    case "failed": {
      const { event_id, code: provider_code } = result;
      const details = { event_id, provider_code };
      const message = `The message was not sent: ${result.message}. Self-healing takes care of it`;
      return errorResponse({ status: 502, code: "integration.failed", message, details }, requestId);
    }
    case "held": {
      const { event_id, retry_at, reason, kept } = result;
      const message = kept
        ? "The message is held back until the integration works again"
        : "The message was not sent and cannot be kept, because it holds what looks like a secret; send it again";
      const details = { event_id, retry_at, reason };
      const response = errorResponse(
        { status: 503, code: "integration.held_back", message, details },
        requestId,
      );
      if (retry_at) response.headers.set("retry-after", new Date(retry_at).toUTCString());
      return response;
    }
  }
}
