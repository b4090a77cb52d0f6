/**
 * `deno task connect`: registers an integration and stores a grant, from JSON on standard input. Secrets are encrypted
 * here, before they reach the database, and are never printed.
 */
import { z } from "zod";
import { announceInput, readArguments } from "./command-line.ts";
import { type DataApi, openProject, runCommand } from "./data-api.ts";
import type { SubsystemLogger } from "../supabase/functions/_shared/audit/subsystem-logger.ts";
import type { TokenVault } from "../supabase/functions/_shared/ports.ts";

const host = z.string()
  .regex(/^[^\s/:@*]+(:\d+)?$/, 'must be a host such as "api.github.com", without scheme, path or wildcard');

const inputShape = z.strictObject({
  service_name: z.string().min(1),
  oauth_config: z.strictObject({
    token_url: z.url({ protocol: /^https?$/ }),
    client_id: z.string().min(1),
    client_secret: z.string().min(1).optional(),
    scopes: z.array(z.string()).optional(),
  }).optional(),
  allowed_hosts: z.array(host).optional(),
  idempotency_header: z.string().min(1).optional(),
  user_id: z.guid().optional(),
  access_token: z.string().min(1).optional(),
  refresh_token: z.string().min(1).optional(),
  expires_in: z.int().positive().optional(),
}).refine((input) => input.access_token || !(input.refresh_token || input.expires_in), {
  path: ["access_token"],
  message: "is needed with refresh_token and expires_in",
});
type Input = z.output<typeof inputShape>;

function parseInput(text: string): Input {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error(
      'Standard input is not JSON. Example: {"service_name":"slack","allowed_hosts":["slack.com"]}',
    );
  }
  const parsed = inputShape.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "input"}: ${message}`);
  throw new Error(`The input cannot be used:\n  ${problems.join("\n  ")}`);
}

/** Creates the integration or changes the given fields of the existing one. */
async function register(
  { api, vault, audit }: { api: DataApi; vault: TokenVault; audit: SubsystemLogger },
  input: Input,
): Promise<void> {
  const { service_name, oauth_config, allowed_hosts, idempotency_header } = input;
  const known = await api<{ id: string }[]>(
    "GET",
    `integrations_master?select=id&service_name=eq.${encodeURIComponent(service_name)}`,
  );
  const id = known[0]?.id ?? crypto.randomUUID();
  const secret = oauth_config?.client_secret;
  const fields = {
    allowed_hosts,
    idempotency_header,
    oauth_config: oauth_config && {
      ...oauth_config,
      ...(secret &&
        { client_secret: await vault.encrypt(`integrations_master/${id}/client_secret`, secret) }),
    },
  };
  const changed = Object.entries(fields).filter(([, value]) => value !== undefined).map(([name]) => name);
  if (known.length === 0) await api("POST", "integrations_master", { id, service_name, ...fields });
  else if (changed.length > 0) await api("PATCH", `integrations_master?id=eq.${id}`, fields);
  if (known.length === 0 || changed.length > 0) {
    await audit.logAction({
      ...{ actor: "connect", resource: `integration:${service_name}`, result: "success" },
      action: known.length === 0 ? "integration.registered" : "integration.updated",
      payload: { fields: changed },
    });
  }
  console.log(`${known.length === 0 ? "Registered" : "Updated"} the integration ${service_name} (${id})`);
}

async function saveGrant({ api, vault }: { api: DataApi; vault: TokenVault }, input: Input): Promise<void> {
  const { service_name, user_id, access_token, refresh_token, expires_in } = input;
  const owner = user_id ? `eq.${user_id}` : "is.null";
  const known = await api<{ id: string }[]>(
    "GET",
    `user_integrations?select=id&service_name=eq.${encodeURIComponent(service_name)}&user_id=${owner}`,
  );
  const id = known[0]?.id ?? crypto.randomUUID();
  const encrypt = (column: string, token?: string) =>
    token ? vault.encrypt(`user_integrations/${id}/${column}`, token) : null;
  await api("POST", "rpc/save_grant", {
    p_service_name: service_name,
    p_user_id: user_id ?? null,
    p_grant_id: id,
    p_access_token: await encrypt("access_token", access_token),
    p_refresh_token: await encrypt("refresh_token", refresh_token),
    p_expires_in_seconds: expires_in ?? null,
  });
  const whose = user_id ? `of user ${user_id}` : "of the project";
  console.log(`Stored the grant ${whose} (${id}), ${refresh_token ? "with" : "without"} a refresh token`);
}

readArguments("connect");
await runCommand(async () => {
  announceInput("an integration as JSON");
  const input = parseInput(await new Response(Deno.stdin.readable).text());
  const project = openProject();
  await register(project, input);
  if (input.access_token) await saveGrant(project, input);
});
