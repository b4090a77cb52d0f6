import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createTokenVault } from "../supabase/functions/_shared/adapters/token-vault.ts";
import { projectRoot } from "./stack/paths.ts";
import type { Stack } from "./stack/stack.ts";
import { testStack } from "./testing/stack.ts";

async function run(stack: Stack, script: string, input: unknown = "", env: Record<string, string> = {}) {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-env", "--allow-net", "--allow-read", `scripts/${script}.ts`],
    cwd: projectRoot,
    env: {
      NO_COLOR: "1",
      SUPABASE_URL: stack.url,
      SUPABASE_SECRET_KEY: stack.secrets.secretKey,
      TOKEN_ENCRYPTION_KEYS: stack.secrets.tokenEncryptionKeys,
      ...env,
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = command.stdin.getWriter();
  await writer.write(new TextEncoder().encode(typeof input === "string" ? input : JSON.stringify(input)));
  await writer.close();
  const { code, stdout, stderr } = await command.output();
  return { code, output: new TextDecoder().decode(stdout), errors: new TextDecoder().decode(stderr) };
}

const slack = {
  service_name: "slack",
  oauth_config: {
    token_url: "https://slack.com/api/oauth.v2.access",
    client_id: "c1",
    client_secret: "canary-s",
  },
  allowed_hosts: ["slack.com"],
  idempotency_header: "Idempotency-Key",
  user_id: "00000000-0000-4000-8000-0000000000aa",
  access_token: "canary-a",
  refresh_token: "canary-r",
  expires_in: 3_600,
};

Deno.test("connect and rotate-keys on a real project", async (test) => {
  const stack = await testStack();
  try {
    await test.step("an integration and its grant are stored encrypted, and nothing secret is printed", async () => {
      const { code, output, errors } = await run(stack, "connect", slack);
      assert.deepEqual([code, errors], [0, ""]);
      assert.ok(!output.includes("canary"), output);
      const [row] = await stack.sql`
        select i.id, i.oauth_config, i.allowed_hosts, i.idempotency_header, g.id as grant_id, g.access_token,
          g.refresh_token, g.token_expires_at > now() as valid
        from integrations_master i join user_integrations g using (service_name)`;
      assert.ok(!JSON.stringify(row).includes("canary"));
      const vault = createTokenVault(stack.secrets.tokenEncryptionKeys);
      const opened = [
        await vault.decrypt(`user_integrations/${row!.grant_id}/access_token`, row!.access_token),
        await vault.decrypt(`user_integrations/${row!.grant_id}/refresh_token`, row!.refresh_token),
        await vault.decrypt(`integrations_master/${row!.id}/client_secret`, row!.oauth_config.client_secret),
      ];
      assert.deepEqual(opened, ["canary-a", "canary-r", "canary-s"]);
      assert.deepEqual([row!.allowed_hosts, row!.idempotency_header, row!.valid], [
        ["slack.com"],
        "Idempotency-Key",
        true,
      ]);
    });

    await test.step("connecting again replaces the tokens and keeps what was not given", async () => {
      const { code } = await run(stack, "connect", {
        service_name: "slack",
        user_id: slack.user_id,
        access_token: "canary-a2",
      });
      assert.equal(code, 0);
      const rows = await stack.sql`
        select i.allowed_hosts, g.token_version, g.refresh_token
        from integrations_master i join user_integrations g using (service_name)`;
      assert.deepEqual([...rows], [{ allowed_hosts: ["slack.com"], token_version: 2, refresh_token: null }]);
    });

    await test.step("wrong input and missing settings are told in one go, without quoting secrets", async () => {
      const cases: [unknown, Record<string, string>, RegExp][] = [
        ["{", {}, /not JSON/],
        [{ ...slack, oauth_config: { client_id: "canary-x" } }, {}, /oauth_config\.token_url/],
        [{ ...slack, allowed_hosts: ["https://slack.com/api"] }, {}, /allowed_hosts\.0: must be a host/],
        [{ ...slack, allowed_hosts: ["*.slack.com"] }, {}, /allowed_hosts\.0: must be a host/],
        [{ service_name: "slack", refresh_token: "canary-r" }, {}, /access_token: is needed/],
        [{ ...slack, acess_token: "canary-typo" }, {}, /acess_token/],
        [slack, { TOKEN_ENCRYPTION_KEYS: "", SUPABASE_URL: "" }, /SUPABASE_URL[^]*TOKEN_ENCRYPTION_KEYS/],
        [slack, { SUPABASE_SECRET_KEY: "sb_secret_wrong" }, /refused GET integrations_master/],
        [slack, { SUPABASE_URL: "http://127.0.0.1:9" }, /project at .* does not answer/],
      ];
      for (const [input, env, expected] of cases) {
        const { code, output, errors } = await run(stack, "connect", input, env);
        assert.equal(code, 1);
        assert.match(errors, expected);
        assert.ok(!(output + errors).includes("canary"), errors);
      }
    });

    await test.step("rotating encrypts everything with the first key, and a second run finds nothing to do", async () => {
      await run(stack, "connect", slack);
      const newKey = `new:${randomBytes(32).toString("base64")}`;
      const both = { TOKEN_ENCRYPTION_KEYS: `${newKey},${stack.secrets.tokenEncryptionKeys}` };
      const first = await run(stack, "rotate-keys", "", both);
      assert.deepEqual([first.code, first.errors], [0, ""]);
      assert.match(first.output, /^current: 0, re-encrypted: 2, changed meanwhile: 0, failed: 0$/m);
      const second = await run(stack, "rotate-keys", "", both);
      assert.match(second.output, /^current: 2, re-encrypted: 0/m);
      const entries = await stack.sql`select actor, action, result, payload from audit_log
        where actor in ('connect', 'rotate-keys') order by immutable_seq`;
      assert.deepEqual([...entries].slice(-3), [
        {
          ...{ actor: "connect", action: "integration.updated", result: "success" },
          payload: { fields: ["allowed_hosts", "idempotency_header", "oauth_config"] },
        },
        {
          ...{ actor: "rotate-keys", action: "secrets.encrypted_anew", result: "success" },
          payload: { current: 0, "re-encrypted": 2, "changed meanwhile": 0, failed: 0 },
        },
        {
          ...{ actor: "rotate-keys", action: "secrets.encrypted_anew", result: "success" },
          payload: { current: 2, "re-encrypted": 0, "changed meanwhile": 0, failed: 0 },
        },
      ]);

      const [row] = await stack.sql`
        select i.id, i.oauth_config ->> 'client_secret' as secret, g.id as grant_id, g.access_token, g.token_version
        from integrations_master i join user_integrations g using (service_name)`;
      const vault = createTokenVault(newKey);
      assert.equal(
        await vault.decrypt(`integrations_master/${row!.id}/client_secret`, row!.secret),
        "canary-s",
      );
      assert.equal(
        await vault.decrypt(`user_integrations/${row!.grant_id}/access_token`, row!.access_token),
        "canary-a",
      );
    });

    await test.step("a value that cannot be decrypted is named and left as it is, and the exit code says so", async () => {
      const lost = { TOKEN_ENCRYPTION_KEYS: `other:${randomBytes(32).toString("base64")}` };
      const { code, output, errors } = await run(stack, "rotate-keys", "", lost);
      assert.equal(code, 1);
      assert.match(output, /re-encrypted: 0, changed meanwhile: 0, failed: 2/);
      assert.match(errors, /user_integrations\/[\w-]+: The value of .* was encrypted with a key/);
    });
  } finally {
    await stack.stop();
  }
});
