import assert from "node:assert/strict";
import fc from "fast-check";
import { redactHeaders, redactText, redactValue } from "./redact.ts";

// Put together at run time, so that no scanner of secrets takes this file for a leak.
const join = (...parts: string[]) => parts.join("");
const slackToken = join("xox", "b-123456789012-abcdefGHIJKL");
const jwt = join("eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0NTYifQ", ".c2lnbmF0dXJlLW9mLXRoaXM");
const jwe = join("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0", "..aXZpdml2", ".Y2lwaGVydGV4dA", ".dGFnZ3Rh");
const pem = join("-----BEGIN RSA PRIV", "ATE KEY-----\nMIIEow\nabc123\n-----END RSA PRIVATE KEY-----");

const shapes: [string, string, string][] = [
  [
    "a Slack bot token",
    `Token ${slackToken} expired for user U123`,
    "Token [redacted] expired for user U123",
  ],
  ["a Slack rotated token", join("xoxe.xox", "b-1-MabcdefGH123456"), "[redacted]"],
  ["a Supabase secret key", join("key sb_", "secret_abc123DEF_456 used"), "key [redacted] used"],
  [
    "a Stripe key",
    join("Invalid API Key provided: sk_", "live_abcdef123456"),
    "Invalid API Key provided: [redacted]",
  ],
  ["a Stripe webhook secret", join("whs", "ec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "[redacted]"],
  ["a GitHub token", join("gh", "p_0123456789abcdefABCDEF0123456789abcd"), "[redacted]"],
  ["an AWS key id", join("AKIA", "IOSFODNN7EXAMPLE is not valid"), "[redacted] is not valid"],
  ["a Google access token", join("ya", "29.a0AfH6SMBx-abcdef"), "[redacted]"],
  ["a Google API key", join("AIza", "SyA1234567890abcdefghijklmnopqrstuv"), "[redacted]"],
  [
    "an OpenAI key",
    join("Incorrect API key provided: sk", "-proj-abcd1234efgh5678."),
    "Incorrect API key provided: [redacted].",
  ],
  ["a JWT", `jwt ${jwt} is expired`, "jwt [redacted] is expired"],
  ["an encrypted JWT", jwe, "[redacted]"],
  ["a private key", `key: ok\n${pem}\ndone`, "key: ok\n[redacted]\ndone"],
  ["a private key cut short", pem.slice(0, 40), "[redacted]"],
  ["bearer credentials", "sent Bearer abc123def and failed", "sent Bearer [redacted] and failed"],
  ["basic credentials", "curl 'Authorization: Basic dXNlcjpwYXNz'", "curl 'Authorization: [redacted]'"],
  [
    "an authorization header of any scheme",
    "Authorization: Hmac a:b c=d\nHost: x",
    "Authorization: [redacted]\nHost: x",
  ],
  ["cookies", "Cookie: sid=1; theme=dark\r\nAccept: */*", "Cookie: [redacted]\r\nAccept: */*"],
  [
    "a Slack webhook address",
    "POST https://hooks.slack.com/services/T0/B0/xyz: 404",
    "POST https://hooks.slack.com/services/[redacted] 404",
  ],
  [
    "a Discord webhook address",
    "https://discord.com/api/webhooks/12/abc-d",
    "https://discord.com/api/webhooks/[redacted]",
  ],
  [
    "a Teams webhook address",
    "https://a.webhook.office.com/webhookb2/1@2/x",
    "https://a.webhook.office.com/webhookb2/[redacted]",
  ],
  [
    "the password of a database address",
    "postgres://me:p@ss:1@db.example:5432/x",
    "postgres://[redacted]@db.example:5432/x",
  ],
  [
    "a percent-encoded address",
    "to=https%3A%2F%2Fme%3Apw%40host%2Fx",
    "to=https%3A%2F%2F[redacted]%40host%2Fx",
  ],
  [
    "query parameters",
    "/cb?state=1&code=4%2FabC&access_token=t1&page=2",
    "/cb?state=1&code=[redacted]&access_token=[redacted]&page=2",
  ],
  [
    "a signed address",
    "https://s3/x?X-Amz-Date=20260101&X-Amz-Signature=ab12",
    "https://s3/x?X-Amz-Date=20260101&X-Amz-Signature=[redacted]",
  ],
  ["a form", "grant_type=password&password=p%26w&scope=a", "grant_type=password&password=[redacted]&scope=a"],
  ["an encoded form", "q=refresh_token%3Dabc%26scope%3Dall", "q=refresh_token%3D[redacted]%26scope%3Dall"],
  ["JSON", '{"client_secret":"a\\"b","n":1}', '{"client_secret":"[redacted]","n":1}'],
  ["JSON numbers, still as JSON", '{"cvv":123,"ok":true}', '{"cvv":"[redacted]","ok":true}'],
  ["nested JSON, still as JSON", '{"credentials":{"a":["x"]},"n":1}', '{"credentials":"[redacted]","n":1}'],
  [
    "JSON in a JSON string",
    '{"body":"{\\"apiKey\\":\\"x\\\\\\"y\\",\\"n\\":1}"}',
    '{"body":"{\\"apiKey\\":\\"[redacted]\\",\\"n\\":1}"}',
  ],
  [
    "percent-encoded JSON",
    "?q=%7B%22password%22%3A%22a1%22%7D",
    "?q=%7B%22password%22%3A%22[redacted]%22%7D",
  ],
  ["JSON cut short", '{"n":1,"refresh_token":"abc', '{"n":1,"refresh_token":"[redacted]'],
  ["log fields", "user=7 password=hunter2, retry=1", "user=7 password=[redacted], retry=1"],
  ["prose", "The API token: a1b2c3d4 was refused", "The API token: [redacted] was refused"],
  ["prose without a colon", "Token 1f3a9c2b was refused", "Token [redacted] was refused"],
  ["XML with attributes", '<apiKey type="x">abc</apiKey>', '<apiKey type="x">[redacted]</apiKey>'],
  ["lists of headers", '[["x-api-key","Ab1"],["accept","*"]]', '[["x-api-key","[redacted]"],["accept","*"]]'],
  ["XML", "<a:Password>x y</a:Password>", "<a:Password>[redacted]</a:Password>"],
  ["a card number", "card 4242 4242 4242 4242 declined", "card [redacted] declined"],
  ["a long random string", "value Zm9vYmFyQmF6MTIzNDU2Nzg5MEFCQ0RFRkdISUpL9x", "value [redacted]"],
  ["a name behind an escaped line break", '{"log":"a\\npassword=abc9"}', '{"log":"a\\npassword=[redacted]"}'],
];
for (const [what, text, expected] of shapes) {
  Deno.test(`redaction hides ${what}`, () => assert.equal(redactText(text), expected));
}

const harmless = [
  "Request req_9f8 failed: rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000",
  "Order 1234567890123456 of customer 550e8400-e29b-41d4-a716-446655440000 is on hold",
  "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "error=invalid_token: The access token expired",
  "SyntaxError: Unexpected token: punctuation (])",
  `WWW-Authenticate: Bearer realm="example", error="invalid_token"`,
  "Basic authentication failed; bearer tokens are required",
  '{"error_code":"23505","code":"rate_limited","max_tokens":4096,"key":"Key (id)=(5) already exists"}',
  '{"token":null,"password":"","next_page_token":"abc"}',
  "duplicate key value violates unique constraint users_primary_key",
  'missing fields: ["password","email"]',
  "at 2026-11-20T10:11:12.123Z http://localhost:54321/rest/v1/items?select=id&order=a.desc took 1700000000123",
  "disk-usage-of-the-first-volume and task-abcdefghijklmnopqrstuv are fine",
  "npm http fetch GET https://registry.example/@scope/pkg",
];
for (const text of harmless) {
  Deno.test(`redaction leaves alone: ${text.slice(0, 60)}`, () => assert.equal(redactText(text), text));
}

Deno.test("a value keeps its shape and types, and loses what stands under secret names", () => {
  const at = new Date(0);
  const input = {
    id: 7,
    at,
    ok: true,
    none: null,
    usage: { total_tokens: 30 },
    request: { headers: [{ name: "X-Api-Key", value: "k1" }, { name: "Accept", value: "x" }] },
    oauth: { clientSecret: "s1", refresh_token: ["r1"], scopes: ["a", "b"], token_type: "bearer" },
    card: 4242424242424242,
  };
  assert.deepEqual(redactValue(input), {
    id: 7,
    at,
    ok: true,
    none: null,
    usage: { total_tokens: 30 },
    request: { headers: [{ name: "X-Api-Key", value: "[redacted]" }, { name: "Accept", value: "x" }] },
    oauth: {
      clientSecret: "[redacted]",
      refresh_token: "[redacted]",
      scopes: ["a", "b"],
      token_type: "bearer",
    },
    card: "[redacted]",
  });
});

Deno.test("cycles, great depth, great size, throwing getters and errors become plain bounded data", () => {
  const cycle: Record<string, unknown> = { a: 1 };
  cycle.self = cycle;
  assert.deepEqual(redactValue(cycle), { a: 1, self: "[circular]" });
  let deep: unknown = slackToken;
  for (let i = 0; i < 10_000; i++) deep = [deep];
  assert.match(JSON.stringify(redactValue(deep)), /truncated/);
  const wide = redactValue(Array.from({ length: 200_000 }, () => ({}))) as unknown[];
  assert.equal(wide.at(-1), "[truncated]");
  assert.equal(
    redactValue({
      get a() {
        throw new Error("no");
      },
    }),
    "[unreadable]",
  ); // deno-fmt-ignore
  assert.deepEqual(redactValue(new TypeError(`bad ${slackToken}`)), { name: "TypeError", message: "bad [redacted]" });
});

Deno.test("what is not plain data cannot smuggle a secret through", () => {
  const url = new URL("https://api.example/?token=a1");
  assert.equal(redactValue(url), "https://api.example/?token=[redacted]");
  assert.deepEqual(redactValue({ toJSON: () => ({ token: "a1", n: 1 }) }), { token: "[redacted]", n: 1 });
  assert.deepEqual(redactValue(new Map([["token", "a1"]])), { token: "[redacted]" });
  assert.deepEqual(redactValue(new Set(["password=a1"])), ["password=[redacted]"]);
  assert.deepEqual(redactValue(new URLSearchParams({ token: "a1" })), { token: "[redacted]" });
  assert.deepEqual(redactValue({ rawHeaders: ["X-Api-Key", "A1"], body: new Uint8Array(3) }), {
    rawHeaders: ["X-Api-Key", "[redacted]"],
    body: "[3 bytes]",
  });
});

Deno.test("the same object in two places is not a cycle", () => {
  const shared = { a: 1 };
  assert.deepEqual(redactValue([shared, shared]), [{ a: 1 }, { a: 1 }]);
});

Deno.test("headers keep their names and lose credentials, cookies, keys and signatures", () => {
  const headers = new Headers({
    authorization: "Bearer x",
    "x-api-key": "x",
    "x-internal-token": "x",
    "stripe-signature": "t=1,v1=x",
    cookie: "a=b",
    "content-type": "text/plain",
    "x-ratelimit-limit-tokens": "3000",
    "x-ratelimit-reset-tokens": "6m0s",
  });
  assert.deepEqual(redactHeaders(headers), {
    authorization: "[redacted]",
    "content-type": "text/plain",
    cookie: "[redacted]",
    "stripe-signature": "[redacted]",
    "x-api-key": "[redacted]",
    "x-internal-token": "[redacted]",
    "x-ratelimit-limit-tokens": "3000",
    "x-ratelimit-reset-tokens": "6m0s",
  });
});

const alphanumeric = [..."ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz123456789"];
const canary = fc.string({ unit: fc.constantFrom(...alphanumeric), minLength: 24, maxLength: 48 })
  .map((random) => `Q7${random}`);
const secretName = fc.constantFrom(
  ..."authorization token accessToken refresh_token client_secret api_key X-Api-Key password".split(" "),
  ..."private_key cookie Set-Cookie service_role_key signing-key webhook_secret card_number cvv".split(" "),
);
const prose = fc.constantFrom("", "call failed ", "HTTP 401 at 10:00, ", "é — ", '{"a":1} ');
const places: ((name: string, secret: string) => string)[] = [
  (name, secret) => JSON.stringify({ a: [{ [name]: secret }] }),
  (name, secret) => JSON.stringify({ body: JSON.stringify({ [name]: [secret, { n: secret }] }) }),
  (name, secret) => JSON.stringify({ a: JSON.stringify({ b: JSON.stringify({ [name]: `${secret}\\"` }) }) }),
  (name, secret) => encodeURIComponent(JSON.stringify({ [name]: secret })),
  (name, secret) => encodeURIComponent(encodeURIComponent(JSON.stringify({ [name]: secret }))),
  (name, secret) => `${name}: ${secret}\r\nAccept: */*`,
  (name, secret) => `${name}=${secret}&scope=all`,
  (name, secret) => `https://api.example/v1?${name}=${secret}#top`,
  (name, secret) => `https://app.example/?next=${encodeURIComponent(`/cb?${name}=${secret}&a=b`)}`,
  (name, secret) => `{ '${name}': '${secret}' }`,
  (name, secret) => `<${name}>${secret}</${name}>`,
  (_, secret) => `https://me:${secret}@api.example/v1`,
  (_, secret) => `Authorization: Basic ${btoa(`me:${secret}`)}`,
  (_, secret) => `Bearer ${secret}`,
  (_, secret) => `Bearer%20${secret}`,
  (_, secret) => `https://hooks.slack.com/services/T0/B0/${secret}`,
  (_, secret) => join("xox", `p-${secret}`),
  (_, secret) => join("sb_", `secret_${secret}`),
  (_, secret) => join("-----BEGIN PRIV", `ATE KEY-----\n${secret}\n`),
];

Deno.test("a secret never survives, wherever in a text it stands", () => {
  fc.assert(
    fc.property(canary, secretName, fc.constantFrom(...places), prose, prose, (secret, name, place, a, b) => {
      const redacted = redactText(a + place(name, secret) + b);
      assert.ok(!redacted.includes(secret), redacted);
      assert.ok(!redacted.includes(btoa(`me:${secret}`)), redacted);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a secret never survives, wherever in a value it stands", () => {
  const leaf = fc.oneof(fc.constant("SECRET"), fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaf,
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constant("SECRET")), tie("tree"), { maxKeys: 3 }),
    ),
  }));
  fc.assert(
    fc.property(tree, canary, secretName, fc.constantFrom(...places), (value, secret, name, place) => {
      const text = JSON.stringify(value).replaceAll(
        "SECRET",
        JSON.stringify(place(name, secret)).slice(1, -1),
      );
      assert.ok(!JSON.stringify(redactValue(JSON.parse(text))).includes(secret));
      assert.ok(!JSON.stringify(redactValue({ [name]: value, [place(name, secret)]: 1 })).includes(secret));
    }),
  );
});

Deno.test("JSON stays JSON of the same shape when its text is redacted", () => {
  const names = fc.oneof(secretName, fc.constantFrom("id", "name", "items"));
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
  const record = fc.dictionary(names, fc.oneof(leaf, fc.array(leaf), fc.dictionary(names, leaf)));
  fc.assert(
    fc.property(record, (value) => {
      const parsed = JSON.parse(redactText(JSON.stringify(value)));
      assert.deepEqual(Object.keys(parsed), Object.keys(value));
    }),
    { numRuns: 500 },
  );
});

const fragments = fc.array(
  fc.oneof(
    fc.constantFrom(...shapes.map(([, text]) => text), ...harmless),
    fc.constantFrom(...'\' " \\ \\" %22 %3D %26 : = => & ? ; , { } [ ] < > @ :// [redacted] \n'.split(" ")),
    fc.constantFrom("token", "password", "Bearer ", "Basic ", "code", "signature", "cookie", "eyJ", "sk-"),
    fc.string({ maxLength: 12 }),
  ),
  { maxLength: 12 },
).map((parts) => parts.join(""));

Deno.test("redacting twice is redacting once", () => {
  fc.assert(
    fc.property(fragments, (text) => {
      const once = redactText(text);
      assert.equal(redactText(once), once);
    }),
    { numRuns: 5_000 },
  );
  fc.assert(fc.property(fc.object({ key: fragments, values: [fragments] }), (value) => {
    const once = redactValue(value);
    assert.deepEqual(redactValue(once), once);
  }));
});

Deno.test("ordinary words, ids and numbers survive unchanged", () => {
  const word = fc.oneof(
    fc.constantFrom(
      ..."the token key password failed for order user table Limit is Error".split(" "),
    ),
    fc.uuid(),
    fc.nat().map(String),
    fc.emailAddress().filter((address) => !/[=]/.test(address)),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  );
  fc.assert(fc.property(fc.array(word).map((words) => words.join(" ")), (text) => {
    assert.equal(redactText(text), text);
  }));
});

Deno.test("redaction never throws", () => {
  fc.assert(
    fc.property(fc.anything({ withBigInt: true, withMap: true, withNullPrototype: true }), (value) => {
      redactValue(value);
    }),
  );
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    redactText(text);
  }));
});
