import assert from "node:assert/strict";
import { Webhook } from "standardwebhooks";
import { webhookHeaders } from "../supabase/functions/_shared/rules/actions/webhook-signature.ts";

const KEYS = [btoa("1".repeat(32)), btoa("2".repeat(32))];

async function webhookSecret(args: string[], env: Record<string, string>) {
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-env=WEBHOOK_SIGNING_KEYS",
      new URL("webhook-secret.ts", import.meta.url).pathname,
      ...args,
    ],
    env: { PATH: Deno.env.get("PATH")!, HOME: Deno.env.get("HOME")!, ...env },
    clearEnv: true,
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("the printed secret verifies what is sent to any URL of the host, and to no other host", async () => {
  const env = { WEBHOOK_SIGNING_KEYS: KEYS.join() };
  const { code, stdout } = await webhookSecret(["https://Alerts.example.com:443/webhook?a=1"], env);
  assert.equal(code, 0);
  const receiver = new Webhook(stdout.trim());
  const message = { id: crypto.randomUUID(), at: Date.now(), body: "{}" };
  receiver.verify("{}", webhookHeaders(message, "alerts.example.com", KEYS));
  for (const host of ["alerts.example.com:8443", "example.com"]) {
    assert.throws(() => receiver.verify("{}", webhookHeaders(message, host, KEYS)), host);
  }
  assert.notEqual((await webhookSecret(["https://example.com/webhook"], env)).stdout, stdout);
});

Deno.test("without a URL of somebody else's or without a key it says what is missing", async () => {
  const env = { WEBHOOK_SIGNING_KEYS: KEYS.join() };
  for (const args of [[], ["/api/lockout"], ["alerts.example.com"], ["ftp://a.example"]]) {
    const { code, stdout, stderr } = await webhookSecret(args, env);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^The url must be a whole one.* Usage: /);
  }
  for (const keys of ["", "canary"]) {
    const { code, stderr } = await webhookSecret(["https://a.example"], { WEBHOOK_SIGNING_KEYS: keys });
    assert.equal(code, 2);
    assert.match(stderr, /^WEBHOOK_SIGNING_KEYS /);
    assert.ok(!stderr.includes("canary"));
  }
});
