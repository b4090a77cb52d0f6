import * as oauth from "oauth4webapi";
import { parseRetryAfter } from "../core/failure/retry-after.ts";
import { redactText } from "../core/redaction/redact.ts";
import {
  type Clock,
  type Egress,
  EgressError,
  type EgressResponse,
  type RefreshOutcome,
  type TokenEndpoint,
} from "../ports.ts";

/** What providers say instead of RFC 6749's `invalid_grant` (GitHub, Slack). */
const FINAL_ERRORS = ["invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked"];

const MAX_MESSAGE = 300;
const MAX_RESPONSE_BYTES = 64 * 1024;

type Config = Parameters<TokenEndpoint["refresh"]>[0];

/**
 * Exchanges refresh tokens (RFC 6749, section 6) at any provider's token endpoint.
 *
 * The client secret travels by HTTP Basic, which section 2.3.1 obliges servers to support. Some want it in the body all
 * the same: a server that refuses the client is asked once more that way, which is safe because it did nothing yet, and
 * what worked is remembered. No scope is sent: it would fail for grants older than the last change of the configured
 * scopes, and leaving it out means "as granted".
 */
export function createTokenEndpoint({ egress, clock }: { egress: Egress; clock: Clock }): TokenEndpoint {
  const wantSecretInBody = new Set<string>();
  return {
    async refresh(config, refreshToken, timeoutMs) {
      const deadline = clock.now() + timeoutMs;
      const attempt = (authentication: oauth.ClientAuth) =>
        exchange(egress, config, authentication, refreshToken, deadline - clock.now());
      const secret = config.clientSecret;

      let answer: Answer | undefined;
      if (!secret) answer = await attempt(oauth.None());
      else if (!wantSecretInBody.has(config.tokenUrl)) {
        answer = await attempt(oauth.ClientSecretBasic(secret));
      }
      if (secret && (!answer || refusesClient(answer)) && clock.now() < deadline) {
        answer = await attempt(oauth.ClientSecretPost(secret));
        if (answer.tokens) wantSecretInBody.add(config.tokenUrl);
      }
      return toOutcome(answer!, clock.now(), [refreshToken, secret ?? ""]);
    },
  };
}

/** What came of one exchange: the tokens or an error, and the raw answer when there was one. */
interface Answer {
  tokens?: oauth.TokenEndpointResponse;
  error?: unknown;
  response?: EgressResponse;
}

async function exchange(
  egress: Egress,
  config: Config,
  authentication: oauth.ClientAuth,
  refreshToken: string,
  timeoutMs: number,
): Promise<Answer> {
  const server = { issuer: config.tokenUrl, token_endpoint: config.tokenUrl };
  const client = { client_id: config.clientId };
  let response: EgressResponse | undefined;
  try {
    const conforming = await oauth.refreshTokenGrantRequest(server, client, authentication, refreshToken, {
      [oauth.allowInsecureRequests]: true, // Egress decides which hosts may go without TLS.
      [oauth.customFetch]: async (url, { headers, body }) => {
        response = await egress.send({
          url,
          method: "POST",
          headers,
          body: body.toString(),
          timeoutMs,
          maxResponseBytes: MAX_RESPONSE_BYTES,
        });
        return toConformingResponse(response);
      },
    });
    const tokens = await oauth.processRefreshTokenResponse(server, client, conforming, {
      recognizedTokenTypes: { bot: () => {}, user: () => {} }, // Slack's names of bearer tokens.
    });
    return { tokens, response };
  } catch (error) {
    return { error, response };
  }
}

/**
 * Levels out how providers deviate from RFC 6749: errors with status 200 (GitHub, Slack), success with 201, a missing
 * token type, nulls for what is absent, JSON under another media type. ID tokens are dropped, because their issuer is
 * not known here and nobody uses them.
 */
function toConformingResponse({ status, body }: EgressResponse): Response {
  const json = parseObject(body);
  if (!json) return new Response(null, { status: 502 });
  const present = Object.entries(json).filter(([name, value]) =>
    name !== "id_token" && value !== null && value !== ""
  );
  const failed = typeof json.error === "string";
  return Response.json(
    failed ? json : { token_type: "bearer", ...Object.fromEntries(present) },
    { status: failed ? Math.max(status, 400) : status === 201 ? 200 : status },
  );
}

function toOutcome({ tokens, error, response }: Answer, now: number, secrets: string[]): RefreshOutcome {
  if (tokens) {
    return {
      kind: "refreshed",
      accessToken: tokens.access_token,
      refreshToken: tokens.refresh_token,
      expiresInSeconds: tokens.expires_in,
    };
  }
  if (error instanceof EgressError) {
    return { kind: error.sent ? "unknown" : "transient", message: `${error.code}: ${error.message}` };
  }
  if (!response) {
    // The request could not even be built from the integration's oauth_config.
    return {
      kind: "transient",
      message: clean(`The refresh was not sent: ${(error as Error).message}`, secrets),
    };
  }
  const told = error instanceof oauth.ResponseBodyError ? error : null;
  const particulars = told
    ? `: ${told.error}: ${told.error_description ?? "no description"}`
    : " and no tokens";
  const message = clean(`The token endpoint answered with HTTP ${response.status}${particulars}`, secrets);
  if (told && FINAL_ERRORS.includes(told.error)) return { kind: "invalid_grant", message };
  // After success without tokens, or a server's own failure, the refresh token may have been used up.
  const refused = told ? response.status < 500 : response.status >= 400 && response.status < 500;
  if (!refused && response.status !== 503) return { kind: "unknown", message };
  return { kind: "transient", message, ...retryAfter(response, now) };
}

/** True for a refusal that may be about how the client showed its secret. */
function refusesClient({ error, response }: Answer): boolean {
  if (!response) return false;
  if (error instanceof oauth.ResponseBodyError) {
    return error.status < 500 && error.status !== 429 && !FINAL_ERRORS.includes(error.error);
  }
  return [400, 401, 403].includes(response.status);
}

function retryAfter({ headers, status }: EgressResponse, now: number): { retryAfterSeconds?: number } {
  const limited = status === 429 || status === 503;
  const seconds = parseRetryAfter({ headers, limited, now: new Date(now) });
  return seconds === null ? {} : { retryAfterSeconds: seconds };
}

function clean(text: string, secrets: string[]): string {
  const hidden = secrets.filter(Boolean).reduce(
    (rest, secret) => rest.replaceAll(secret, "[redacted]"),
    text,
  );
  return redactText(hidden).slice(0, MAX_MESSAGE);
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
