import assert from "node:assert/strict";
import { compactDecrypt, exportJWK, generateKeyPair } from "jose";
import { Webhook } from "standardwebhooks";
import { createEgress } from "../../adapters/egress.ts";
import { AUTHORITY, CERTIFICATE, PRIVATE_KEY } from "../../adapters/egress-test-certificate.ts";
import { EgressError } from "../../ports.ts";
import { actionContext } from "../../testing/action-context.ts";
import { fakeEgress } from "../../testing/fake-egress.ts";
import { webhook, type WebhookDefinition } from "./webhook.ts";
import { webhookSecret } from "./webhook-signature.ts";

const KEY = btoa("1".repeat(32));
const OLDER_KEY = btoa("2".repeat(32));
const URL_OF_OTHERS = "https://alerts.example.com/hook/canary-path?token=canary-query";

const definition = (more: Partial<WebhookDefinition> = {}): WebhookDefinition => ({
  type: "webhook",
  url: URL_OF_OTHERS,
  payload: { alert: "High latency on Lane 1", größe: [1, null] },
  ...more,
});

interface Received {
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** A receiver on a real port. */
async function withReceiver(
  answers: ((received: Received) => Response)[],
  test: (receiver: { host: string; received: Received[] }) => Promise<void>,
  tls: { cert?: string; key?: string } = {},
): Promise<void> {
  const received: Received[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, ...tls }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const headers = Object.fromEntries(request.headers);
    received.push({ path: pathname + search, headers, body: await request.text() });
    return answers[Math.min(received.length, answers.length) - 1]!(received.at(-1)!);
  });
  try {
    await test({ host: `127.0.0.1:${server.addr.port}`, received });
  } finally {
    await server.shutdown();
  }
}

const ok = () => new Response("canary-body");

/** The deps of a project that may reach `host`; its clock is the machine's, as receivers compare it with theirs. */
function depsFor(host: string, more: Parameters<typeof actionContext>[0] = {}) {
  return {
    egress: createEgress({ privateHosts: [host] }),
    privateHosts: [host],
    signingKeys: [KEY],
    clock: { now: () => Date.now(), sleep: () => Promise.resolve() },
    ...more,
  };
}

Deno.test("a receiver verifies what it is sent with the secret of its host, and nobody else's secret does", async () => {
  await withReceiver([ok], async ({ host, received }) => {
    const context = actionContext(depsFor(host));
    const plain = definition({ url: `http://${host}/hook?a=1`, encryption: { enabled: false } });
    const outcome = await webhook.run(plain, context);
    assert.deepEqual(outcome, { state: "succeeded", result: { status: 200 } });

    const [{ path, headers, body }] = received as [Received];
    assert.equal(path, "/hook?a=1");
    assert.equal(headers["content-type"], "application/json");
    assert.equal(headers["webhook-id"], context.run.id);
    assert.deepEqual(new Webhook(webhookSecret(KEY, host)).verify(body, headers), definition().payload);
    assert.ok(!("x-internal-token" in headers));
    for (const other of [webhookSecret(KEY, "127.0.0.1"), webhookSecret(OLDER_KEY, host)]) {
      assert.throws(() => new Webhook(other).verify(body, headers));
    }
    assert.throws(() => new Webhook(webhookSecret(KEY, host)).verify(body.replace("1", "2"), headers));
  });
});

Deno.test("a secret can be derived with any implementation of HKDF, from the key and the host", async () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const key = await crypto.subtle.importKey("raw", bytes("1".repeat(32)), "HKDF", false, ["deriveBits"]);
  const info = bytes("webhook:alerts.example.com");
  const bits = await crypto.subtle.deriveBits(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info },
    key,
    256,
  );
  const expected = `whsec_${btoa(String.fromCharCode(...new Uint8Array(bits)))}`;
  assert.equal(webhookSecret(KEY, "alerts.example.com"), expected);
});

Deno.test("a receiver behind TLS gets the same", async () => {
  await withReceiver([ok], async ({ host, received }) => {
    const pinned = host.replace("127.0.0.1", "pinned.test");
    const resolve = () => Promise.resolve(["127.0.0.1"]);
    const egress = createEgress({ privateHosts: [pinned], resolve, ca: AUTHORITY });
    const outcome = await webhook.run(
      definition({ url: `https://${pinned}/` }),
      actionContext(depsFor(pinned, { egress })),
    );
    assert.equal(outcome.state, "succeeded");
    new Webhook(webhookSecret(KEY, pinned)).verify(received[0]!.body, received[0]!.headers);
  }, { cert: CERTIFICATE, key: PRIVATE_KEY });
});

Deno.test("while keys are exchanged, receivers verify with the secret of the older one or of the newer", async () => {
  await withReceiver([ok], async ({ host, received }) => {
    const context = actionContext(depsFor(host, { signingKeys: [KEY, OLDER_KEY] }));
    await webhook.run(definition({ url: `http://${host}/` }), context);
    const [{ headers, body }] = received as [Received];
    for (const key of [KEY, OLDER_KEY]) new Webhook(webhookSecret(key, host)).verify(body, headers);
    assert.equal(headers["webhook-signature"]!.split(" ").length, 2);
  });
});

Deno.test("each try has the run's id, by which a receiver that remembers it does nothing twice", async () => {
  const answers = [() => new Response(null, { status: 503 }), ok];
  await withReceiver(answers, async ({ host, received }) => {
    const context = actionContext(depsFor(host));
    const once = () => webhook.run(definition({ url: `http://${host}/` }), context);
    assert.deepEqual([(await once()).state, (await once()).state], ["retry", "succeeded"]);
    assert.deepEqual(received.map(({ headers }) => headers["webhook-id"]), [context.run.id, context.run.id]);
  });
});

Deno.test("an encrypted payload is read by the holder of the private key alone, and signed as it was sent", async () => {
  const kinds = [["ECDH-ES+A256KW", "P-256"], ["ECDH-ES+A256KW", "P-384"], ["RSA-OAEP-256"]] as const;
  for (const [alg, crv] of kinds) {
    const { publicKey, privateKey } = await generateKeyPair(alg, {
      crv,
      modulusLength: 2048,
      extractable: true,
    });
    const jwk = { ...await exportJWK(publicKey), kid: "key-of-2026" };
    await withReceiver([ok], async ({ host, received }) => {
      const database = {
        rpc: <T>(...call: unknown[]) => {
          assert.deepEqual(call, ["webhook_public_key", { p_host: host }]);
          return Promise.resolve(jwk as T);
        },
      };
      const encrypted = definition({ url: `http://${host}/`, encryption: { enabled: true } });
      assert.equal(
        (await webhook.run(encrypted, actionContext(depsFor(host, { database })))).state,
        "succeeded",
      );
      const [{ headers, body }] = received as [Received];
      assert.equal(headers["content-type"], "application/jose");
      new Webhook(webhookSecret(KEY, host)).verify(body, headers, { jsonParse: false });
      const { plaintext, protectedHeader } = await compactDecrypt(body, privateKey);
      assert.deepEqual(JSON.parse(new TextDecoder().decode(plaintext)), definition().payload);
      const { alg: usedAlg, enc, kid, cty } = protectedHeader;
      assert.deepEqual({ usedAlg, enc, kid, cty }, {
        usedAlg: alg,
        enc: "A256GCM",
        kid: "key-of-2026",
        cty: "json",
      });
      assert.ok(!body.includes("latency"));
    });
  }
});

Deno.test("without a key of the receiver, or with one that cannot encrypt, nothing is sent", async () => {
  const encrypted = definition({ encryption: { enabled: true } });
  const jwks = {
    "webhook.no_public_key": null,
    "webhook.public_key_invalid": { kty: "EC", crv: "P-256", x: "x".repeat(43), y: "y".repeat(43) },
  };
  for (const [code, jwk] of Object.entries(jwks)) {
    const egress = fakeEgress();
    const database = { rpc: <T>() => Promise.resolve(jwk as T) };
    const outcome = await webhook.run(encrypted, actionContext({ egress, database, signingKeys: [KEY] }));
    assert.ok(outcome.state === "failed" && outcome.error.startsWith(`${code}: `), JSON.stringify(outcome));
    assert.match(outcome.error, /alerts\.example\.com.* webhook_receivers/);
    assert.equal(egress.requests.length, 0);
  }
});

Deno.test("a function of the project gets the internal token for a signature, and needs no key", async () => {
  const egress = fakeEgress();
  const context = actionContext({ egress });
  const outcome = await webhook.run(definition({ url: "/api/security/lockout", payload: {} }), context);
  assert.equal(outcome.state, "succeeded");
  const [{ url, method, headers, body, timeoutMs }] = egress.requests as [typeof egress.requests[0]];
  assert.equal(url, "https://abc.supabase.co/functions/v1/api/security/lockout");
  assert.deepEqual([method, body, timeoutMs], ["POST", "{}", 10_000]);
  assert.equal(headers!["x-internal-token"], "canary-internal-token");
  assert.equal(headers!["webhook-id"], context.run.id);
  assert.ok(!("webhook-signature" in headers!));
});

Deno.test("the internal token goes nowhere but to a path, even when the whole URL is the project's", async () => {
  const egress = fakeEgress();
  for (const url of ["https://abc.supabase.co/functions/v1/api", URL_OF_OTHERS]) {
    await webhook.run(definition({ url }), actionContext({ egress, signingKeys: [KEY] }));
  }
  assert.equal(egress.requests.length, 2);
  assert.ok(!JSON.stringify(egress.requests).includes("canary-internal-token"));
});

Deno.test("without a signing key nobody else is sent anything, and people are told what to do", async () => {
  const egress = fakeEgress();
  const outcome = await webhook.run(definition(), actionContext({ egress }));
  assert.ok(
    outcome.state === "failed" && /^webhook\.not_configured: .*supabase secrets set/.test(outcome.error),
  );
  assert.equal(egress.requests.length, 0);
});

Deno.test("a URL that was refused when the rule was saved is refused again when it fires", async () => {
  const egress = fakeEgress();
  const context = actionContext({ egress, signingKeys: [KEY] });
  for (const url of ["https://169.254.169.254/latest", "/../rest/v1/rules", "https://{{event.host}}/"]) {
    assert.equal(webhook.check(definition({ url }), context.deps).length, 1, url);
    const outcome = await webhook.run(definition({ url }), context);
    assert.ok(outcome.state === "failed" && outcome.error.startsWith("webhook.url_invalid: The url "), url);
  }
  assert.deepEqual(webhook.check(definition({ url: "/api/security/lockout" }), context.deps), []);
  assert.deepEqual(webhook.check(definition(), context.deps), []);
  assert.equal(egress.requests.length, 0);
});

const outcomeOf = (...answers: Parameters<typeof fakeEgress>) =>
  webhook.run(definition(), actionContext({ egress: fakeEgress(...answers), signingKeys: [KEY] }));

Deno.test("what may pass is tried again, and what cannot is not", async () => {
  const states: Record<string, number[]> = { succeeded: [], retry: [], failed: [] };
  const all = [
    200,
    202,
    204,
    301,
    302,
    307,
    308,
    400,
    401,
    403,
    404,
    408,
    410,
    413,
    422,
    425,
    429,
    500,
    502,
    503,
    504,
  ];
  for (const status of all) states[(await outcomeOf({ status })).state]!.push(status);
  assert.deepEqual(states, {
    succeeded: [200, 202, 204],
    retry: [408, 425, 429, 500, 502, 503, 504],
    failed: [301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422],
  });
  const egress: Record<string, string[]> = { retry: [], failed: [] };
  for (
    const problem of ["timeout", "connection", "dns", "tls", "blocked_address", "invalid_url", "too_large"]
  ) {
    const { state } = await outcomeOf(new EgressError(`egress.${problem}`, "It failed", true));
    egress[state]!.push(problem);
  }
  assert.deepEqual(egress, {
    retry: ["timeout", "connection", "dns", "tls"],
    failed: ["blocked_address", "invalid_url", "too_large"],
  });
});

Deno.test("a receiver that asks for a pause gets it, in seconds or until a date", async () => {
  const pauses = [];
  for (const pause of ["17", "Fri, 02 Jan 2026 03:06:05 GMT"]) { // The fake clock stands at 03:04:05.
    const outcome = await outcomeOf({ status: 503, headers: { "retry-after": pause } });
    pauses.push(outcome.state === "retry" && outcome.retryAfterSeconds);
  }
  assert.deepEqual(pauses, [17, 120]);
  const silent = await outcomeOf({ status: 503 });
  assert.ok(silent.state === "retry" && silent.retryAfterSeconds === undefined);
});

Deno.test("neither the URL's path and query nor the receiver's answer stand in an outcome", async () => {
  for (const status of [200, 301, 404, 429, 500]) {
    const headers = { location: "https://canary.example/", "x-a": "canary" };
    const outcome = JSON.stringify(await outcomeOf({ status, headers, body: "canary" }));
    assert.ok(!outcome.includes("canary"), outcome);
    if (status !== 200) {
      assert.match(outcome, new RegExp(`"webhook\\.[a-z_]+: alerts\\.example\\.com .* HTTP ${status}`));
    }
  }
});

Deno.test("a redirect is never followed, wherever it leads", async () => {
  await withReceiver([ok], async (inside) => {
    for (const status of [301, 302, 303, 307, 308]) {
      const away = () => new Response(null, { status, headers: { location: `http://${inside.host}/` } });
      await withReceiver([away], async ({ host }) => {
        const outcome = await webhook.run(
          definition({ url: `http://${host}/` }),
          actionContext(depsFor(host)),
        );
        assert.ok(outcome.state === "failed" && outcome.error.startsWith("webhook.redirected: "));
      });
    }
    assert.equal(inside.received.length, 0);
  });
});

Deno.test("a dry run says what would be sent and where", () => {
  const context = actionContext();
  assert.deepEqual(webhook.simulate(definition({ payload: { a: 1 } }), context.deps), {
    simulated: true,
    url: URL_OF_OTHERS,
    payload: { a: 1 },
  });
  const encryption = { enabled: true };
  assert.deepEqual(webhook.simulate(definition({ payload: 1, encryption }), context.deps), {
    ...{ simulated: true, url: URL_OF_OTHERS, payload: 1, encryption },
  });
});

Deno.test("a definition has a url and a payload, and nothing that nobody reads", () => {
  const refused = [
    { url: undefined },
    { url: "" },
    { payload: undefined },
    { encryption: {} },
    { encryption: { enabled: "yes" } },
    { headers: {} },
  ];
  assert.ok(webhook.schema.safeParse(definition()).success);
  assert.ok(webhook.schema.safeParse(definition({ payload: null })).success);
  for (const more of refused) assert.ok(!webhook.schema.safeParse({ ...definition(), ...more }).success);
});
