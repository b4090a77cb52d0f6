import assert from "node:assert/strict";
import fc from "fast-check";
import { fingerprint, fnv1a64, messageTemplate } from "./fingerprint.ts";

/** Each list is one kind of failure; no two lists are the same kind. */
const kinds: Record<string, string[]> = {
  "an expired token": [
    "Token xoxb-123-abc expired for user U123",
    "Token xoxb-987-xyz expired for user alice",
    "Token [redacted] expired for user alice",
  ],
  "a revoked token": ["Token xoxb-123-abc revoked for user U123"],
  "a rate limit of tokens": [
    "Request req_9f8 failed: rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29500",
    "Request req_1a2 failed: rate limit reached for gpt-4o-mini in organization acme on tokens per min (TPM): Limit 200, Used 200",
  ],
  "a rate limit of requests": [
    "Request req_9f8 failed: rate limit reached for gpt-4o in organization org-x on requests per min (RPM): Limit 500, Used 500",
  ],
  "a refused connection": ["connect ECONNREFUSED 10.0.0.1:443", "connect ECONNREFUSED ::1:5432"],
  "a connection timeout": ["connect ETIMEDOUT 10.0.0.1:443"],
  "an unknown host": [
    "getaddrinfo ENOTFOUND api.example.com",
    "getaddrinfo ENOTFOUND db.internal",
    "getaddrinfo ENOTFOUND redis",
  ],
  "an invalid grant": [
    '{"error":"invalid_grant","error_description":"Token expired","trace_id":"a1"}',
    '{"error":"invalid_grant","error_description":"Token expired","trace_id":"ffff"}',
  ],
  "a denied consent": ['{"error":"access_denied","error_description":"Token expired","trace_id":"a1"}'],
  "an error code as a field": ["login failed, error=invalid_grant", "login failed, error=invalid_grant"],
  "another error code as a field": ["login failed, error=access_denied"],
  "a duplicate key": [
    'duplicate key value violates unique constraint "users_email_key"',
    'duplicate key value violates unique constraint "orders_pkey"',
  ],
  "an upload that was too large": [
    "upload of /var/data/a.bin took 1.5 s, 800 bytes sent",
    "upload of /tmp/b took 90 ms, 2048 bytes (2.0 KB) sent",
  ],
  "a login from outside": [
    "Failed login for bob from 203.0.113.7 port 4222",
    "Failed login for eve from mail.example.org port 9",
  ],
  "a missing file": [
    String.raw`cannot open C:\data\a.txt at 10:11:12, flags=0x1f`,
    String.raw`cannot open D:\b.txt at 2026-11-20T10:11:12Z, flags=0x00`,
  ],
  "a job that was lost": [
    "job 550e8400-e29b-41d4-a716-446655440000 lost by worker@host-7, retry=true",
    "job 6ba7b810-9dad-11d1-80b4-00c04fd430c8 lost by worker@host-12, retry=false",
  ],
  "a dated message": [
    "since Fri Jun 17 07:07:00 2005: no answer",
    "since Sat Jul 2 17:07:00 2005: no answer",
  ],
  "a list of ids": ["skipped items 1, 2, 3", "skipped items 17"],
  "a change of state": ["job 7 went from NEW to RUNNING", "job 8 went from RUNNING to LOST_CONTACT"],
  "a pod without a node": [
    "no node for default/web-7d4b (config.yaml), peer [::1]:9000, ready: no",
    "no node for kube-system/dns-xkz (api.json), peer redis:6379, ready: yes",
  ],
  "an unknown container": ["No such container: web", "No such container: api-1"],
  "a failed append": [
    'level=warn target=http://10.0.0.1:9100/metrics msg="append failed" dropped=3',
    'level=warn target=http://web:8080/metrics msg="append failed" dropped=12',
  ],
  "a sample out of order": ['level=warn target=http://web:8080/metrics msg="sample out of order" dropped=12'],
  "a forbidden table": ["permission denied for table orders", "permission denied for table users"],
  "a forbidden schema": ["permission denied for schema auth"],
  "a missing channel": ["The channel general was not found", "The channel random was not found"],
  "a missing channel id": ["The channel id was not found"],
  "a refused user": ["User alice is not authorized", "User bob is not authorized"],
  "a user that is not there": ["User is not authorized"],
  "a timeout in Java": [
    "java.net.SocketTimeoutException: Read timed out\n\tat a.B.c(B.java:1)\n\tat d.E.f(E.java:2)",
    "java.net.SocketTimeoutException: Read timed out\n\tat a.B.c(B.java:9)",
  ],
  "a refusal in Java": ["java.net.ConnectException: Read timed out"],
  "a closed account": ["account closed"],
  "a suspended account": ["account suspended"],
  "a wrong client secret": ["Invalid client secret"],
  "a wrong client id": ["Invalid client id"],
};

for (const [kind, messages] of Object.entries(kinds)) {
  Deno.test(`messages about ${kind} share one fingerprint, and nothing else has it`, () => {
    const ids = new Set(messages.map(fingerprint));
    assert.equal(ids.size, 1, messages.map(messageTemplate).join("\n"));
    for (const [other, others] of Object.entries(kinds)) {
      if (other !== kind) assert.ok(!others.some((message) => ids.has(fingerprint(message))), other);
    }
  });
}

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const host = fc.tuple(fc.domain(), fc.constantFrom("", ":443", ":8080")).map(([name, port]) =>
  `www.${name}${port}`
);
const values: Record<string, fc.Arbitrary<string>> = {
  integers: fc.integer().map(String),
  decimals: fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `${a}.${b}`),
  UUIDs: fc.uuid(),
  "hexadecimal numbers": hex(8).map((digits) => `0x${digits}`),
  digests: hex(40),
  "IPv4 addresses": fc.ipV4(),
  "addresses with a port": fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map((parts) =>
    parts.join(":")
  ),
  hosts: host,
  URLs: host.map((name) => `https://${name}/v1/items?page=2`),
  paths: fc.array(fc.constantFrom("var", "log", "my-app", "data.txt"), { minLength: 1, maxLength: 5 })
    .map((parts) => `/${parts.join("/")}`),
  instants: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) =>
    date.toISOString()
  ),
  "e-mail addresses": fc.tuple(hex(6), host).map(([name, domain]) => `${name}@${domain.split(":")[0]}`),
  durations: fc.tuple(fc.nat(), fc.constantFrom("ms", " ms", "s", " seconds", " min", "h")).map((parts) =>
    parts.join("")
  ),
  sizes: fc.tuple(fc.nat(), fc.constantFrom("B", " KB", " MiB", " bytes", "GB")).map((parts) =>
    parts.join("")
  ),
};
const sentences = [
  (value: string) => `could not process ${value} in time`,
  (value: string) => `gave up (last: ${value}), will retry`,
  (value: string) => `last=${value}, gave up`,
  (value: string) => `gave up: ${value}`,
];

for (const [kind, value] of Object.entries(values)) {
  Deno.test(`messages that differ only in ${kind} have one fingerprint`, () => {
    fc.assert(fc.property(value, value, fc.constantFrom(...sentences), (a, b, sentence) => {
      assert.equal(messageTemplate(sentence(a)), messageTemplate(sentence(b)));
      assert.equal(messageTemplate(sentence(a)), sentence("<*>"));
    }));
  });
}

Deno.test("a host that ends like the beginning of an ARN is a host", () => {
  assert.equal(messageTemplate("could not process www.a.arn:443 in time"), "could not process <*> in time");
  assert.equal(messageTemplate("last=arn:aws:sns:eu-west-1:1:alerts"), "last=<*>");
});

Deno.test("fingerprints are the same on every machine and in every release", () => {
  assert.equal(fingerprint(""), "cbf29ce484222325");
  assert.equal(fingerprint("connect ECONNREFUSED 10.0.0.1:443"), "9849a82979f7434c");
  assert.equal(fingerprint("Token xoxb-1 expired for user U1"), fnv1a64("Token <*> expired for user <*>"));
});

Deno.test("the hash is FNV-1a of 64 bits: the published test values", () => {
  assert.equal(fnv1a64("a"), "af63dc4c8601ec8c");
  assert.equal(fnv1a64("foobar"), "85944171f73967e8");
});

Deno.test("any text has a fingerprint, also a very long one", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert.match(fingerprint(text), /^[0-9a-f]{16}$/);
  }));
  for (const unit of ["a", "1", "=", '"', "a=", "[a,", "a.b", "(", "<*> ", "user ", "%", "/a", "a:"]) {
    assert.match(fingerprint(unit.repeat(100_000)), /^[0-9a-f]{16}$/);
  }
});
