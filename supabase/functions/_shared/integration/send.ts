import { headersOf, type StoredRequest } from "../core/recovery/stored-request.ts";
import { redactText } from "../core/redaction/redact.ts";
import type { Egress, EgressResponse, Logger } from "../ports.ts";
import type { Call, CallFailure } from "./call.ts";
import { mayHaveEffect, type Permission, UNASKED } from "./permission.ts";
import type { TokenSource } from "./token-source.ts";

const TIMEOUT_MS = 10_000;

export interface SendDeps {
  egress: Egress;
  logger: Logger;
  tokens: TokenSource;
  /** URLs that are secrets, by the name of their setting. */
  secretUrls: Record<string, string | undefined>;
}

/**
 * Sends a call with what was permitted: the token, the idempotency key, the address behind a secret's name.
 *
 * @param request gets the version of the token that is used
 */
export async function send(
  { egress, tokens, secretUrls, logger }: SendDeps,
  serviceName: string,
  call: Call,
  request: StoredRequest,
  permission: Permission,
): Promise<EgressResponse | CallFailure> {
  const { grant, idempotency_header, allowed_hosts } = permission;
  // Whatever else is held back comes here as a part of a recovery, which may be let through nevertheless.
  if (permission.reason === "safe_mode") {
    return unanswered("safe_mode.active", "The platform is in safe mode");
  }
  if (permission === UNASKED && mayHaveEffect(request.method)) {
    return unanswered("safe_mode.unknown", "The database could not be asked whether it is safe mode");
  }
  const url = request.url_secret ? secretUrls[request.url_secret] : request.url;
  if (url === undefined) {
    return unanswered("config.missing", `The setting ${redactText(request.url_secret!)} is not set`);
  }
  const headers = headersOf(request);
  if (idempotency_header) headers[idempotency_header.toLowerCase()] = request.idempotency_key!;
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
