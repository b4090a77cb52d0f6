import { headersOf, type StoredRequest } from "../core/recovery/stored-request.ts";
import { redactText } from "../core/redaction/redact.ts";
import type { Clock, Egress, EgressResponse, Logger, SystemMode } from "../ports.ts";
import type { Call, CallFailure } from "./call.ts";
import { mayHaveEffect, type Permission, UNASKED } from "./permission.ts";
import type { TokenSource } from "./token-source.ts";

const TIMEOUT_MS = 10_000;
const SAFE_MODE = "safe_mode.active";

export interface SendDeps {
  egress: Egress;
  clock: Clock;
  logger: Logger;
  tokens: TokenSource;
  mode: SystemMode;
  /** URLs that are secrets, by the name of their setting. */
  secretUrls: Record<string, string | undefined>;
}

/** What came of sending a call. */
export interface Sent {
  answer: EgressResponse | CallFailure;
  /** How long the exchange with the provider took; null when it did not begin. */
  duration_ms: number | null;
}

/** Whether safe mode stopped a call before it was sent. */
export function wasStopped({ answer }: Sent): boolean {
  return "error_code" in answer && answer.error_code === SAFE_MODE;
}

/**
 * Sends a call with what was permitted: the token, the idempotency key, the address behind a secret's name.
 *
 * @param request gets the version of the token that is used
 */
export async function send(
  deps: SendDeps,
  serviceName: string,
  call: Call,
  request: StoredRequest,
  permission: Permission,
): Promise<Sent> {
  const { egress, clock, secretUrls, logger } = deps;
  const { idempotency_header, allowed_hosts } = permission;
  // Whatever else is held back comes here as a part of a recovery, which may be let through nevertheless.
  if (permission.reason === "safe_mode") return IN_SAFE_MODE;
  if (permission === UNASKED && mayHaveEffect(request.method)) return MODE_UNKNOWN;
  const url = request.url_secret ? secretUrls[request.url_secret] : request.url;
  if (url === undefined) {
    return unanswered("config.missing", `The setting ${redactText(request.url_secret!)} is not set`);
  }
  const headers = headersOf(request);
  if (idempotency_header) headers[idempotency_header.toLowerCase()] = request.idempotency_key!;
  let begun: number | undefined;
  const elapsed = () => begun === undefined ? null : clock.now() - begun;
  try {
    const refusal = request.auth === "bearer" &&
      await addToken(deps, serviceName, call, request, permission, headers);
    if (refusal) return refusal;
    begun = clock.now();
    const answer = await egress.send({
      ...{ url, headers, method: request.method, body: request.body },
      timeoutMs: call.timeoutMs ?? TIMEOUT_MS,
      // A token goes nowhere else.
      allowedHosts: request.auth === "bearer" ? allowed_hosts : undefined,
    });
    return { answer, duration_ms: elapsed() };
  } catch (error) {
    const { code, message, sent } = error as { code?: string; message: string; sent?: boolean };
    if (code) return unanswered(code, message, sent === false ? null : elapsed());
    logger.error("integration.unexpected", { service_name: serviceName, error });
    return unanswered("internal", "The call was not made; the function's log says why", elapsed());
  }
}

/** Adds the token to the headers; resolves to why there is none, or why the call must not be made with it now. */
async function addToken(
  { tokens, mode, logger }: SendDeps,
  serviceName: string,
  call: Call,
  request: StoredRequest,
  permission: Permission,
  headers: Record<string, string>,
): Promise<Sent | null> {
  if (permission === UNASKED) return unanswered("database.unreachable", "The token could not be read");
  const token = await tokens.token(serviceName, call.user_id ?? null, permission.grant);
  if ("error_code" in token) return unanswered(token.error_code, token.error_message);
  headers["authorization"] = `Bearer ${token.accessToken}`;
  request.token_version = token.version;
  // A refresh takes seconds, in which the mode may have changed.
  return mayHaveEffect(request.method) ? await askAgain(mode, logger) : null;
}

const IN_SAFE_MODE = unanswered(SAFE_MODE, "The platform is in safe mode");
const MODE_UNKNOWN = unanswered(
  "safe_mode.unknown",
  "The database could not be asked whether it is safe mode",
);

/** What stops a call with an effect, or null. */
async function askAgain(mode: SystemMode, logger: Logger): Promise<Sent | null> {
  try {
    return await mode.isSafe() ? IN_SAFE_MODE : null;
  } catch (error) {
    logger.error("integration.mode_unreadable", { error });
    return MODE_UNKNOWN;
  }
}

function unanswered(error_code: string, error_message: string, duration_ms: number | null = null): Sent {
  return { answer: { http_status: null, error_code, error_message }, duration_ms };
}
