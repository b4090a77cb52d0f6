/** What the demo plays in: the stack, the servers around it, and integrations registered with them. */
import type { Sql } from "postgres";
import { systemClock } from "../../supabase/functions/_shared/adapters/clock.ts";
import { createLogger } from "../../supabase/functions/_shared/adapters/logger.ts";
import { createTokenVault } from "../../supabase/functions/_shared/adapters/token-vault.ts";
import { integrationDeps } from "../../supabase/functions/_shared/integration/deps.ts";
import {
  createIntegration,
  type Integration,
} from "../../supabase/functions/_shared/integration/create-integration.ts";
import type { Stack } from "../stack/stack.ts";
import { type OAuthServer, startOAuthServer } from "./oauth-server.ts";
import { type Provider, startProvider } from "./provider.ts";
import { type Received, type Receiver, startReceiver } from "./receiver.ts";

export interface World {
  sql: Sql;
  oauth: OAuthServer;
  provider: Provider;
  receiver: Receiver;
  /** An integration as a function of this project would create it. */
  integration(serviceName: string): Integration;
  /** What the timers do every minute. */
  scan(): Promise<void>;
  /** Ends the OAuth server and the provider; the receiver goes on. */
  stop(): Promise<void>;
}

/** The integrations of the demo and what sets them apart. */
const SERVICES: Record<string, { idempotency_header?: string; retry_budget_capacity?: number }> = {
  "demo-crm": {},
  "demo-payments": { idempotency_header: "Idempotency-Key" },
  // A mailer with much traffic: its budget lets every failed call try three times.
  "demo-mail": { idempotency_header: "Idempotency-Key", retry_budget_capacity: 100 },
  "demo-shipping": { idempotency_header: "Idempotency-Key" },
  "demo-files": { idempotency_header: "Idempotency-Key" },
  "demo-orders": {},
  "demo-chat": {},
  "demo-billing": {},
};

/** Starts the servers, lets the functions reach them, and registers the integrations anew. */
export async function createWorld(
  stack: Stack,
  onMessage?: (message: Received) => void,
): Promise<World> {
  const { sql } = stack;
  const oauth = await startOAuthServer();
  const provider = await startProvider({ isActive: oauth.isActive });
  const receiver = await startReceiver({ onMessage });
  const added = {
    // Servers on this machine are within reach in development only.
    ENVIRONMENT: "development",
    EGRESS_PRIVATE_HOSTS: [oauth.host, provider.host, receiver.host].join(","),
    SLACK_WEBHOOK_URL: receiver.slackUrl,
    MICROSOFT_TEAMS_WEBHOOK_URL: receiver.teamsUrl,
    STRIPE_WEBHOOK_SECRET: stack.env.STRIPE_WEBHOOK_SECRET ?? "whsec_demo",
  };
  await stack.setEnv(added);
  await forgetEarlierDemos(sql);
  for (const [name, settings] of Object.entries(SERVICES)) await register(sql, name, provider.host, settings);
  await connect(stack, "demo-crm", oauth);
  for (const name of ["slack", "teams"]) await letReach(sql, name, receiver.host);
  await letReach(sql, "stripe", "api.stripe.com");

  const logger = createLogger({ clock: systemClock, write: (_level, line) => stack.log(`[demo] ${line}`) });
  const deps = integrationDeps((variable) => stack.env[variable], logger);
  return {
    ...{ sql, oauth, provider, receiver },
    integration: (serviceName) => createIntegration(serviceName, deps),
    async scan() {
      const response = await fetch(`${stack.url}/functions/v1/integration-self-heal?mode=scan`, {
        method: "POST",
        headers: { apikey: stack.secrets.secretKey, "content-type": "application/json" },
        body: "{}",
      });
      if (!response.ok) throw new Error(`The scan answered ${response.status}: ${await response.text()}`);
      await response.body?.cancel();
    },
    async stop() {
      await Promise.all([oauth.stop(), provider.stop()]);
    },
  };
}

/** The data outlives the stack, and people are not told again of what they were told minutes ago. */
async function forgetEarlierDemos(sql: Sql): Promise<void> {
  await sql`delete from public.outbox where payload ->> 'service_name' like 'demo-%'`;
  for (
    const table of [
      "system_integrity_events",
      "failure_groups",
      "integration_events",
      "user_integrations",
      "integrations_master",
    ]
  ) {
    await sql`delete from ${sql(table)} where service_name like 'demo-%'`;
  }
  // A channel pauses when nobody answers, as when the last demo's receiver was gone.
  await sql`update public.notification_channels set retry_at = null, leased_until = null`;
}

async function register(sql: Sql, service_name: string, host: string, settings: object): Promise<void> {
  const row = { service_name, allowed_hosts: [host], ...settings };
  await sql`insert into public.integrations_master ${sql(row)}`;
  await sql`update public.integrations_master set retry_tokens = retry_budget_capacity
    where service_name = ${service_name}`;
}

/** What `task connect` does after a user's consent: the OAuth client and the grant, encrypted. */
async function connect(stack: Stack, service_name: string, oauth: OAuthServer): Promise<void> {
  const { sql } = stack;
  const vault = createTokenVault(stack.env.TOKEN_ENCRYPTION_KEYS!);
  const [integration] = await sql`update public.integrations_master
    set allowed_hosts = allowed_hosts || ${oauth.host}::text where service_name = ${service_name} returning id`;
  const client_secret = await vault.encrypt(
    `integrations_master/${integration!.id}/client_secret`,
    oauth.clientSecret,
  );
  await sql`update public.integrations_master set oauth_config = ${
    sql.json({ token_url: oauth.tokenUrl, client_id: oauth.clientId, client_secret })
  } where service_name = ${service_name}`;
  const { accessToken, refreshToken } = await oauth.connect();
  const grant = crypto.randomUUID();
  const [access, refresh] = await Promise.all([
    vault.encrypt(`user_integrations/${grant}/access_token`, accessToken),
    vault.encrypt(`user_integrations/${grant}/refresh_token`, refreshToken),
  ]);
  await sql`select public.save_grant(${service_name}, null, ${grant}, ${access}, ${refresh}, 3600)`;
}

/** Registers the integration of one of the project's own functions, or lets the existing one reach this host, too. */
async function letReach(sql: Sql, service_name: string, host: string): Promise<void> {
  await sql`insert into public.integrations_master as i (service_name, allowed_hosts)
    values (${service_name}, ${[host]})
    on conflict (service_name) do update set allowed_hosts = excluded.allowed_hosts || array(
      select h from unnest(i.allowed_hosts) h where h <> ${host} and h not like '127.0.0.1:%')`;
}
