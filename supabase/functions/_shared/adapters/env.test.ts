import assert from "node:assert/strict";
import { type Config, ConfigError, readConfig } from "./env.ts";

const from = (variables: Record<string, string>) => (variable: string) => variables[variable];

function problemsOf(names: (keyof Config)[], variables: Record<string, string>): string[] {
  try {
    readConfig(names, from(variables));
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message.split("\n");
  }
  return [];
}

Deno.test("a hosted project's keys are read, its legacy JWT keys beside the named ones", () => {
  const { project } = readConfig(
    ["project"],
    from({
      SUPABASE_URL: "https://abc.supabase.co",
      SUPABASE_PUBLISHABLE_KEYS: '{"default":"sb_publishable_1"}',
      SUPABASE_SECRET_KEYS: '{"default":"sb_secret_1","ci":"sb_secret_2"}',
      SUPABASE_ANON_KEY: "jwt.anon",
      SUPABASE_SERVICE_ROLE_KEY: "jwt.service",
    }),
  );
  assert.deepEqual(project, {
    url: "https://abc.supabase.co",
    publishableKeys: { default: "sb_publishable_1", anon: "jwt.anon" },
    secretKeys: { default: "sb_secret_1", ci: "sb_secret_2", service_role: "jwt.service" },
    secretKey: "sb_secret_1",
  });
});

Deno.test("an older project that has only the service role key works", () => {
  const variables = { SUPABASE_URL: "http://127.0.0.1:54321", SUPABASE_SERVICE_ROLE_KEY: "jwt.service" };
  assert.equal(readConfig(["project"], from(variables)).project.secretKey, "jwt.service");
});

Deno.test("everything that is missing is told at once, each with what to do", () => {
  const problems = problemsOf(["project", "internalToken", "tokenKeys"], { TOKEN_ENCRYPTION_KEYS: "" });
  assert.equal(problems.length, 3);
  assert.match(problems[0]!, /^SUPABASE_URL is missing: .* `supabase secrets set`/);
  assert.match(problems[1]!, /^INTERNAL_WEBHOOK_TOKEN is missing: /);
  assert.match(problems[2]!, /^TOKEN_ENCRYPTION_KEYS is missing: /);
});

Deno.test("a project without any secret key is refused", () => {
  assert.deepEqual(problemsOf(["project"], { SUPABASE_URL: "https://abc.supabase.co" }), [
    "SUPABASE_SECRET_KEYS is missing, and so is SUPABASE_SERVICE_ROLE_KEY: the platform sets one of them",
  ]);
});

Deno.test("a function that does not need a variable does not ask for it", () => {
  const config = readConfig(["llm", "dashboardUrl", "secretUrls"], from({}));
  assert.equal(config.llm, null);
  assert.equal(config.dashboardUrl, null);
  assert.equal(config.secretUrls.SLACK_WEBHOOK_URL, undefined);
});

Deno.test("malformed values are refused without being printed", () => {
  const problems = problemsOf(["project", "internalToken", "secretUrls", "development"], {
    SUPABASE_URL: "canary-1",
    SUPABASE_SECRET_KEYS: "{canary-2",
    SUPABASE_PUBLISHABLE_KEYS: '["canary-3"]',
    INTERNAL_WEBHOOK_TOKEN: "canary-4",
    SLACK_WEBHOOK_URL: "canary-5",
    ENVIRONMENT: "canary-6",
  });
  assert.equal(problems.length, 6);
  assert.ok(!problems.join().includes("canary"));
});

Deno.test("private hosts count in development only", () => {
  const hosts = { EGRESS_PRIVATE_HOSTS: "127.0.0.1:8080, localhost:9090" };
  assert.deepEqual(
    readConfig(["privateHosts"], from({ ...hosts, ENVIRONMENT: "development" })).privateHosts,
    ["127.0.0.1:8080", "localhost:9090"],
  );
  assert.deepEqual(
    readConfig(["privateHosts"], from({ ...hosts, ENVIRONMENT: "production" })).privateHosts,
    [],
  );
  assert.deepEqual(readConfig(["privateHosts"], from(hosts)).privateHosts, []);
});

Deno.test("without ENVIRONMENT nothing is in development", () => {
  assert.equal(readConfig(["development"], from({})).development, false);
});

Deno.test("a chain to anchor on is its node's address and an account's key, or nothing", () => {
  const chain = {
    ANCHOR_RPC_URL: "https://rpc.example/v2/canary-1",
    ANCHOR_PRIVATE_KEY: `0x${"a1".repeat(32)}`,
  };
  assert.equal(readConfig(["anchor"], from({})).anchor, null);
  assert.deepEqual(readConfig(["anchor"], from(chain)).anchor, {
    rpcUrl: chain.ANCHOR_RPC_URL,
    privateKey: chain.ANCHOR_PRIVATE_KEY,
  });
  const [noKey] = problemsOf(["anchor"], { ANCHOR_RPC_URL: chain.ANCHOR_RPC_URL });
  const [noNode] = problemsOf(["anchor"], { ANCHOR_PRIVATE_KEY: chain.ANCHOR_PRIVATE_KEY });
  const [badKey] = problemsOf(["anchor"], { ...chain, ANCHOR_PRIVATE_KEY: "0xcanary-2" });
  assert.match(noKey!, /^ANCHOR_PRIVATE_KEY is missing, though ANCHOR_RPC_URL is set/);
  assert.match(noNode!, /^ANCHOR_RPC_URL is missing, though ANCHOR_PRIVATE_KEY is set/);
  assert.equal(badKey, "ANCHOR_PRIVATE_KEY must be 0x and 64 hex digits");
  assert.ok(![noKey, noNode, badKey].join().match(/canary|a1a1/));
});

Deno.test("keys that sign webhooks are long enough to be keys, and there may be none", () => {
  const key = (bytes: number) => btoa("k".repeat(bytes));
  const read = (keys: string) =>
    readConfig(["webhookKeys"], from({ WEBHOOK_SIGNING_KEYS: keys })).webhookKeys;
  assert.deepEqual(read(""), []);
  assert.deepEqual(read(`${key(32)}, ${key(64)}`), [key(32), key(64)]);
  for (const refused of [key(31), "canary", `${key(32)},canary`, `${key(32)}*`, `kid:${key(32)}`]) {
    const problems = problemsOf(["webhookKeys"], { WEBHOOK_SIGNING_KEYS: refused });
    assert.match(problems.join(), /^WEBHOOK_SIGNING_KEYS must be keys of 32 bytes or more/, refused);
    assert.ok(!problems.join().includes(refused));
  }
});
