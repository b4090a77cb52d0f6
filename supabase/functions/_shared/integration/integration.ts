import { isSuccess } from "../core/recovery/is-success.ts";
import { storableRequest, type StoredRequest } from "../core/recovery/stored-request.ts";
import type { Database, Egress, EgressResponse, Logger } from "../ports.ts";
import { type Call, type CallFailure, type CallResult, describeFailure, endpointOf } from "./call.ts";
import type { Journal } from "./journal.ts";
import type { Grant, TokenSource } from "./token-source.ts";

const TIMEOUT_MS = 10_000;
const MAX_STORED_BODY = 64 * 1024;

export interface Integration {
  /**
   * Makes a call. Never rejects: whatever goes wrong, at the provider, in the database or in self-healing, is in the
   * result or in the log.
   */
  call(call: Call): Promise<CallResult>;
}

export interface IntegrationDeps {
  database: Database;
  egress: Egress;
  logger: Logger;
  journal: Journal;
  tokens: TokenSource;
  /** URLs that are secrets, by the name of their setting. */
  secretUrls: Record<string, string | undefined>;
}

/** The answer of `begin_integration_call`. */
interface Permission {
  allowed: boolean;
  reason: "disabled" | "circuit_open" | null;
  retry_at: string | null;
  allowed_hosts: string[];
  idempotency_header: string | null;
  grant: Grant | null;
}

/** What the database permits when it cannot be asked: calls that need nothing from it. */
const UNASKED: Permission = {
  allowed: true,
  reason: null,
  retry_at: null,
  allowed_hosts: [],
  idempotency_header: null,
  grant: null,
};

/**
 * An integration whose calls heal themselves: each is let through by the circuit breaker, made with a token that is
 * valid, recorded in `integration_events`, and reported to `integration-self-heal` when it failed.
 *
 * @param attempt the incoming request's `X-Self-Heal-Attempt`. With it the call is part of a recovery under way, which
 *   accounts for it: it is neither held back nor recorded nor reported.
 */
export function createIntegration(
  serviceName: string,
  deps: IntegrationDeps,
  attempt: string | null = null,
): Integration {
  return {
    async call(call) {
      const permission = await begin(deps, serviceName, call.user_id ?? null);
      const request = prepare(call.request, permission);
      const account = {
        service_name: serviceName,
        user_id: call.user_id ?? null,
        payload: call.payload,
        endpoint: endpointOf(request),
      };
      if (!permission.allowed && !attempt) {
        const why = permission.reason === "disabled" ? "it is disabled" : "its circuit breaker is open";
        const event_id = await deps.journal.failed({
          ...{ ...account, event_type: `${call.event_type}.held`, request: storable(request) },
          ...{
            http_status: null,
            error_code: "circuit_open",
            error_message: `Not sent to ${serviceName}: ${why}`,
          },
        });
        return { outcome: "held", event_id, reason: permission.reason!, retry_at: permission.retry_at };
      }

      const answer = await send(deps, serviceName, call, request, permission);
      const response = "status" in answer ? answer : undefined;
      if (response && isSuccess(response)) {
        const event_type = `${call.event_type}.sent`;
        if (!attempt) deps.journal.succeeded({ ...account, event_type, http_status: response.status });
        return { outcome: "success", ...response };
      }
      const failure = "status" in answer ? describeFailure(answer) : answer;
      const event = {
        ...account,
        ...failure,
        event_type: `${call.event_type}.failed`,
        request: storable(request),
      };
      const event_id = attempt ? null : await deps.journal.failed({ ...event, response });
      return {
        ...{ outcome: "failed", event_id, response },
        ...{ code: failure.error_code, message: failure.error_message },
      };
    },
  };
}

async function begin(deps: IntegrationDeps, serviceName: string, userId: string | null): Promise<Permission> {
  try {
    return await deps.database.rpc<Permission>("begin_integration_call", {
      p_service_name: serviceName,
      p_user_id: userId,
    });
  } catch (error) {
    deps.logger.error("integration.not_asked", { service_name: serviceName, error });
    return UNASKED;
  }
}

/** The request with all that a repetition needs, its idempotency key included. */
function prepare(request: Call["request"], { idempotency_header }: Permission): StoredRequest {
  const idempotency_key = idempotency_header ? request.idempotency_key ?? crypto.randomUUID() : null;
  return { ...request, idempotency_key };
}

/** The request as it can be kept, or null. */
function storable(request: StoredRequest): StoredRequest | null {
  return (request.body?.length ?? 0) > MAX_STORED_BODY ? null : storableRequest(request);
}

async function send(
  { egress, tokens, secretUrls, logger }: IntegrationDeps,
  serviceName: string,
  call: Call,
  request: StoredRequest,
  permission: Permission,
): Promise<EgressResponse | CallFailure> {
  const { grant, idempotency_header, allowed_hosts } = permission;
  const url = request.url_secret ? secretUrls[request.url_secret] : request.url;
  if (!url) return unanswered("config.missing", `The setting ${request.url_secret} is not set`);
  const headers = { ...request.headers };
  if (idempotency_header) headers[idempotency_header] = request.idempotency_key!;
  try {
    if (request.auth === "bearer") {
      if (permission === UNASKED) return unanswered("database.unreachable", "The token could not be read");
      const token = await tokens.token(serviceName, call.user_id ?? null, grant);
      if ("error_code" in token) return unanswered(token.error_code, token.error_message);
      headers["authorization"] = `Bearer ${token.accessToken}`;
      request.token_version = token.version;
    }
    return await egress.send({
      ...{ url, headers, method: request.method, body: request.body },
      timeoutMs: call.timeoutMs ?? TIMEOUT_MS,
      // A token goes nowhere else.
      allowedHosts: request.auth === "bearer" ? allowed_hosts : undefined,
    });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code) return unanswered(code, message);
    logger.error("integration.unexpected", { service_name: serviceName, error });
    return unanswered("internal", "The call was not made; the function's log says why");
  }
}

function unanswered(error_code: string, error_message: string): CallFailure {
  return { http_status: null, error_code, error_message };
}
