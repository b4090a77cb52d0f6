import { z } from "zod";

const HOW_TO_SET = "Set it with `supabase secrets set`, or locally in supabase/functions/.env.";

/** A setting is missing or malformed. The text names variables and remedies, never values. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly code = "config.invalid";
}

const required = (purpose: string) => z.string(`is missing: ${purpose}. ${HOW_TO_SET}`);
const webUrl = (text: z.ZodString) => text.regex(/^https?:\/\/\S+$/, "must be an http(s) URL");

const namedKeys = z.string().default("{}").transform((text, context) => {
  try {
    return z.record(z.string(), z.string().min(1)).parse(JSON.parse(text));
  } catch {
    context.addIssue('must be a JSON object of named keys, like {"default":"sb_..."}');
    return z.NEVER;
  }
});

/** 43 digits are 258 bits. */
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{43,}={0,2}$/;

const ENVIRONMENT = z.enum(["development", "production"], 'must be "development" or "production"')
  .default("production");

/** What a function can ask for: the variables of each section and the setting they become. */
const sections = {
  /** The Supabase project. The platform sets these variables; older projects have only the two JWT keys. */
  project: z.object({
    SUPABASE_URL: webUrl(required("the project's address, which the platform sets")),
    SUPABASE_PUBLISHABLE_KEYS: namedKeys,
    SUPABASE_SECRET_KEYS: namedKeys,
    SUPABASE_ANON_KEY: z.string().optional(),
    SUPABASE_SERVICE_ROLE_KEY: z.string().optional(),
  }).transform((env, context) => {
    const publishableKeys = withLegacyKey(env.SUPABASE_PUBLISHABLE_KEYS, "anon", env.SUPABASE_ANON_KEY);
    const secretKeys = withLegacyKey(env.SUPABASE_SECRET_KEYS, "service_role", env.SUPABASE_SERVICE_ROLE_KEY);
    const secretKey = secretKeys.default ?? Object.values(secretKeys)[0];
    if (secretKey) return { url: env.SUPABASE_URL, publishableKeys, secretKeys, secretKey };
    context.addIssue({
      code: "custom",
      path: ["SUPABASE_SECRET_KEYS"],
      message: "is missing, and so is SUPABASE_SERVICE_ROLE_KEY: the platform sets one of them",
    });
    return z.NEVER;
  }),
  /** What timers, other functions and the scheduled scan send in `X-Internal-Token`. */
  internalToken: z.object({
    INTERNAL_WEBHOOK_TOKEN: required("internal callers authenticate with it")
      .min(16, "must have at least 16 characters"),
  }).transform((env) => env.INTERNAL_WEBHOOK_TOKEN),
  /** The keys that encrypt tokens at rest, as `createTokenVault` takes them. */
  tokenKeys: z.object({
    TOKEN_ENCRYPTION_KEYS: required("tokens are stored encrypted with it, as kid:base64(32 bytes)"),
  }).transform((env) => env.TOKEN_ENCRYPTION_KEYS),
  /** Private `host:port`s that outbound requests may reach; none outside development. */
  privateHosts: z.object({ ENVIRONMENT, EGRESS_PRIVATE_HOSTS: z.string().default("") })
    .transform((env) =>
      env.ENVIRONMENT === "development" ? words(env.EGRESS_PRIVATE_HOSTS.toLowerCase()) : []
    ),
  /** URLs that are secrets themselves, by the name under which stored requests refer to them. */
  secretUrls: z.object({
    SLACK_WEBHOOK_URL: webUrl(z.string()).optional(),
    MICROSOFT_TEAMS_WEBHOOK_URL: webUrl(z.string()).optional(),
  }).transform((env) => env),
  /** Where pages go and the key that says whom they wake, or null. */
  pager: z.object({
    PAGERDUTY_ROUTING_KEY: z.string().optional(),
    PAGERDUTY_EVENTS_URL: webUrl(z.string()).default("https://events.pagerduty.com/v2/enqueue"),
  }).transform((env) =>
    env.PAGERDUTY_ROUTING_KEY
      ? { routingKey: env.PAGERDUTY_ROUTING_KEY, url: env.PAGERDUTY_EVENTS_URL }
      : null
  ),
  /** The language model, or null when no key is set. */
  llm: z.object({
    OPENAI_API_KEY: z.string().optional(),
    OPENAI_BASE_URL: webUrl(z.string()).default("https://api.openai.com/v1"),
  }).transform((env) =>
    env.OPENAI_API_KEY ? { apiKey: env.OPENAI_API_KEY, baseUrl: env.OPENAI_BASE_URL } : null
  ),
  /** True when failures may be forced. */
  development: z.object({ ENVIRONMENT }).transform((env) => env.ENVIRONMENT === "development"),
  /** Where messages send people, or null. */
  dashboardUrl: z.object({ DASHBOARD_URL: webUrl(z.string()).optional() })
    .transform((env) => env.DASHBOARD_URL ?? null),
  /** The key that signs checkpoints, or null, and older ones whose signatures still count, in the formats of signed notes. */
  auditKeys: z.object({
    AUDIT_SIGNING_KEY: z.string()
      .regex(
        /^PRIVATE\+KEY\+[^\s+]+\+[0-9a-f]{8}\+\S{44}$/,
        "must be a key that `deno task audit-keys` printed",
      )
      .optional(),
    AUDIT_TRUSTED_KEYS: z.string().default(""),
  }).transform((env) => ({
    signingKey: env.AUDIT_SIGNING_KEY ?? null,
    trustedKeys: words(env.AUDIT_TRUSTED_KEYS),
  })),
  /** The folder for checkpoints, or null: they go to Supabase Storage. */
  checkpointFolder: z.object({ AUDIT_CHECKPOINT_DIR: z.string().optional() })
    .transform((env) => env.AUDIT_CHECKPOINT_DIR ?? null),
  /** Who else gets every checkpoint, or null. */
  witnessUrl: z.object({ AUDIT_WITNESS_URL: webUrl(z.string()).optional() })
    .transform((env) => env.AUDIT_WITNESS_URL ?? null),
  /** The chain that hashes are anchored on, or null. */
  anchor: z.object({
    ANCHOR_RPC_URL: webUrl(z.string()).optional(),
    ANCHOR_PRIVATE_KEY: z.string().regex(/^0x[0-9a-fA-F]{64}$/, "must be 0x and 64 hex digits").optional(),
  }).transform((env, context) => {
    const { ANCHOR_RPC_URL: rpcUrl, ANCHOR_PRIVATE_KEY: privateKey } = env;
    if (rpcUrl && privateKey) return { rpcUrl, privateKey };
    if (!rpcUrl && !privateKey) return null;
    const [missing, given] = rpcUrl
      ? ["ANCHOR_PRIVATE_KEY", "ANCHOR_RPC_URL"]
      : ["ANCHOR_RPC_URL", "ANCHOR_PRIVATE_KEY"];
    const message = `is missing, though ${given} is set: anchoring on a chain needs both. ${HOW_TO_SET}`;
    context.addIssue({ code: "custom", path: [missing], message });
    return z.NEVER;
  }),
  /** The keys that the secrets of webhooks' receivers are derived from, in base64; none: no webhook is sent. */
  webhookKeys: z.object({ WEBHOOK_SIGNING_KEYS: z.string().default("") }).transform((env, context) => {
    const keys = words(env.WEBHOOK_SIGNING_KEYS);
    if (keys.every((key) => BASE64_OF_32_BYTES.test(key))) return keys;
    const message =
      "must be keys of 32 bytes or more in base64, separated by commas. Make one with `openssl rand -base64 32`";
    context.addIssue({ code: "custom", path: ["WEBHOOK_SIGNING_KEYS"], message });
    return z.NEVER;
  }),
  stripeWebhookSecret: z.object({
    STRIPE_WEBHOOK_SECRET: required("Stripe's events are verified with it"),
  }).transform((env) => env.STRIPE_WEBHOOK_SECRET),
};

export type Config = { [Name in keyof typeof sections]: z.output<(typeof sections)[Name]> };

/**
 * Reads the named sections of the configuration from the environment; an empty variable counts as unset.
 *
 * @throws {ConfigError} One error for everything that is wrong, one line per variable.
 */
export function readConfig<Name extends keyof Config>(
  names: Name[],
  lookup: (variable: string) => string | undefined = (variable) => Deno.env.get(variable),
): Pick<Config, Name> {
  const problems = new Set<string>();
  const entries = names.map((name) => {
    const variables = Object.keys(sections[name].in.shape);
    const values = variables.map((variable) => [variable, lookup(variable) || undefined]);
    const parsed = sections[name].safeParse(Object.fromEntries(values));
    parsed.error?.issues.forEach((issue) => problems.add(`${String(issue.path[0])} ${issue.message}`));
    return [name, parsed.data];
  });
  if (problems.size > 0) throw new ConfigError([...problems].join("\n"));
  return Object.fromEntries(entries);
}

function withLegacyKey(keys: Record<string, string>, name: string, key?: string): Record<string, string> {
  return key ? { ...keys, [name]: key } : keys;
}

function words(list: string): string[] {
  return list.split(/[\s,]+/).filter((word) => word !== "");
}
