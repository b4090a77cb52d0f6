import { isSuccess } from "../core/recovery/is-success.ts";
import { idempotencyKeyOf, storableRequest, type StoredRequest } from "../core/recovery/stored-request.ts";
import type { Database } from "../ports.ts";
import { type Call, type CallResult, describeFailure, endpointOf } from "./call.ts";
import { integrationDeps } from "./deps.ts";
import type { Journal } from "./journal.ts";
import { askPermission, type Permission } from "./permission.ts";
import { send, type SendDeps, type Sent, wasStopped } from "./send.ts";

const MAX_STORED_BODY = 64 * 1024;

/** Why a call is held back, for people. */
const WHY = {
  disabled: "it is disabled",
  circuit_open: "its circuit breaker is open",
  safe_mode: "the platform is in safe mode",
};

export interface Integration {
  /**
   * Makes a call. Never rejects: whatever goes wrong, at the provider, in the database or in self-healing, is in the
   * result or in the log.
   */
  call(call: Call): Promise<CallResult>;
}

export interface IntegrationDeps extends SendDeps {
  database: Database;
  journal: Journal;
}

/**
 * An integration whose calls heal themselves: each is let through by the circuit breaker and the mode, made with a token
 * that is valid, recorded in `integration_events`, and reported to `integration-self-heal` when it failed. Create it once per
 * function, outside of the handler.
 *
 * @param serviceName as registered in `integrations_master`; the calls of a service that is not are recorded and never
 *   repeated
 * @throws {ConfigError} naming every variable that is missing
 */
export function createIntegration(
  serviceName: string,
  deps: IntegrationDeps = integrationDeps(),
): Integration {
  return {
    async call(call) {
      const { user_id = null, request: { method } } = call;
      const permission = await askPermission(deps, serviceName, user_id, method);
      const request = prepare(call.request, permission);
      if (!permission.allowed && !call.attempt) {
        return await hold(deps, serviceName, call, request, permission);
      }
      const sent = await send(deps, serviceName, call, request, permission);
      if (wasStopped(sent) && !call.attempt) {
        return await hold(deps, serviceName, call, request, { ...permission, reason: "safe_mode" });
      }
      return await account(deps, serviceName, call, request, sent);
    },
  };
}

/** The request with all that a repetition needs, its idempotency key included. */
function prepare(request: Call["request"], { idempotency_header }: Permission): StoredRequest {
  const key = idempotencyKeyOf(request, idempotency_header) ?? crypto.randomUUID();
  return { ...request, idempotency_key: idempotency_header && key };
}

async function hold(
  { journal }: IntegrationDeps,
  serviceName: string,
  call: Call,
  request: StoredRequest,
  { reason, retry_at }: Permission,
): Promise<CallResult> {
  const stored = storable(request);
  const event_id = await journal.failed({
    ...toEvent(serviceName, call, "held", request),
    request: stored,
    http_status: null,
    error_code: "circuit_open",
    error_message: `Not sent to ${serviceName}: ${WHY[reason!]}`,
  });
  return { outcome: "held", event_id, reason: reason!, retry_at, kept: stored !== null };
}

/** Records what came of a call, unless a recovery does. */
async function account(
  { journal }: IntegrationDeps,
  serviceName: string,
  call: Call,
  request: StoredRequest,
  { answer, duration_ms }: Sent,
): Promise<CallResult> {
  const response = "status" in answer ? answer : undefined;
  if (response && isSuccess(response)) {
    const event = toEvent(serviceName, call, "sent", request);
    if (!call.attempt) journal.succeeded({ ...event, http_status: response.status, duration_ms });
    return { outcome: "success", ...response };
  }
  const failure = "status" in answer ? describeFailure(answer) : answer;
  const event = { ...toEvent(serviceName, call, "failed", request), ...failure, duration_ms };
  const event_id = call.attempt
    ? null
    : await journal.failed({ ...event, request: storable(request), response });
  return { outcome: "failed", event_id, code: failure.error_code, message: failure.error_message, response };
}

function toEvent(serviceName: string, call: Call, what: "sent" | "failed" | "held", request: StoredRequest) {
  return {
    service_name: serviceName,
    user_id: call.user_id ?? null,
    event_type: `${call.event_type}.${what}`,
    payload: call.payload,
    endpoint: endpointOf(request),
  };
}

/** The request as it can be kept, or null. */
function storable(request: StoredRequest): StoredRequest | null {
  return (request.body?.length ?? 0) > MAX_STORED_BODY ? null : storableRequest(request);
}
