/** A throw-away stack with a provider, and the calls that tests of self-healing make. */
import { createTokenVault } from "../../supabase/functions/_shared/adapters/token-vault.ts";
import type { OAuthServer } from "../demo/oauth-server.ts";
import { type Provider, startProvider } from "../demo/provider.ts";
import type { Stack } from "../stack/stack.ts";
import { testStack } from "./stack.ts";

/** An answer of `integration-self-heal`. */
export interface HealAnswer {
  status: number;
  // deno-lint-ignore no-explicit-any
  body: any;
}

/** A service with a grant, and its secrets in plain text. */
export interface Connected {
  service: string;
  grantId: string;
  accessToken: string;
  refreshToken: string;
}

export interface Healing {
  stack: Stack;
  provider: Provider;
  /** What the functions printed. */
  log: string[];
  /** Posts to `integration-self-heal`, with a secret key unless other headers are given. */
  post(body: unknown, headers?: Record<string, string>, query?: string): Promise<HealAnswer>;
  /** Reports a failure of a service's `POST` to `path`; `known` replaces what it says. */
  report(service: string, path: string, known?: Record<string, unknown>): Promise<HealAnswer>;
  scan(known?: Record<string, unknown>): Promise<HealAnswer>;
  /** Registers a service that lives at the provider and honours idempotency keys; returns its name. */
  register(known?: Record<string, unknown>): Promise<string>;
  /** Registers a service whose grant of the OAuth server expires in `expiresIn` seconds; it has expired unless given. */
  connect(oauth: OAuthServer, expiresIn?: number): Promise<Connected>;
  /** The recovery of an event. */
  recoveryOf(eventId: string): Promise<Record<string, unknown> | undefined>;
  stop(): Promise<void>;
}

/**
 * @param env variables for the functions
 * @param privateHosts further `host:port`s of this machine that functions may reach
 * @param provider the provider to use instead of a new one
 */
export async function startHealing(
  { env = {}, privateHosts = [], provider }: {
    env?: Record<string, string>;
    privateHosts?: string[];
    provider?: Provider;
  } = {},
): Promise<Healing> {
  const where = provider ?? await startProvider();
  const log: string[] = [];
  const stack = await testStack(
    { EGRESS_PRIVATE_HOSTS: [where.host, ...privateHosts].join(","), ...env },
    { log: (line) => void log.push(line) },
  );
  const post: Healing["post"] = async (body, headers = { apikey: stack.secrets.secretKey }, query = "") => {
    const response = await fetch(`${stack.url}/functions/v1/integration-self-heal${query}`, {
      method: "POST",
      headers,
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  const register: Healing["register"] = async (known = {}) => {
    const service_name = `service-${crypto.randomUUID()}`;
    const row = {
      service_name,
      allowed_hosts: [where.host],
      idempotency_header: "Idempotency-Key",
      ...known,
    };
    await stack.sql`insert into integrations_master ${stack.sql(row)}`;
    return service_name;
  };
  return {
    ...{ stack, provider: where, log, post, register },
    report: (service, path, known = {}) => post(failureReport(service, where.url + path, known)),
    scan: (known = {}) => post({ mode: "scan", ...known }),
    async connect(oauth, expiresIn = -60) {
      const vault = createTokenVault(stack.secrets.tokenEncryptionKeys);
      const [id, grantId] = [crypto.randomUUID(), crypto.randomUUID()];
      const client_secret = await vault.encrypt(
        `integrations_master/${id}/client_secret`,
        oauth.clientSecret,
      );
      const service = await register({
        id,
        allowed_hosts: [where.host, oauth.host],
        oauth_config: { token_url: oauth.tokenUrl, client_id: oauth.clientId, client_secret },
      });
      const { accessToken, refreshToken } = await oauth.connect();
      const row = `user_integrations/${grantId}`;
      await stack.sql`select save_grant(${service}, null, ${grantId},
        ${await vault.encrypt(`${row}/access_token`, accessToken)},
        ${await vault.encrypt(`${row}/refresh_token`, refreshToken)}, ${expiresIn})`;
      return { service, grantId, accessToken, refreshToken };
    },
    async recoveryOf(eventId) {
      const [row] = await stack.sql`select * from system_integrity_events where event_id = ${eventId}`;
      return row;
    },
    async stop() {
      await stack.stop();
      await where.stop();
    },
  };
}

/** A report as an integration function sends it: an outage, with the request that failed. */
export function failureReport(service_name: string, url: string, known: Record<string, unknown> = {}) {
  const event_id = crypto.randomUUID();
  return {
    mode: "webhook",
    event_id,
    service_name,
    http_status: 503,
    error_code: "service_unavailable",
    error_message: "Service temporarily unavailable",
    retry_count: 0,
    request: {
      method: "POST",
      url,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ order: event_id }),
      idempotency_key: event_id,
    },
    ...known,
  };
}

/** Waits until `look` finds something; the condition is checked often, and for half a minute unless it may take longer. */
export async function eventually<T>(
  look: () => Promise<T | undefined | null | false>,
  seconds = 30,
): Promise<T> {
  const until = Date.now() + seconds * 1_000;
  while (true) {
    const found = await look();
    if (found) return found;
    if (Date.now() > until) throw new Error(`It did not come about within ${seconds} s: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
