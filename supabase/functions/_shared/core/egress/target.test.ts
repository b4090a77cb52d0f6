import assert from "node:assert/strict";
import fc from "fast-check";
import { decideTarget } from "./target.ts";

const PUBLIC = { privateHosts: [] };

function refusal(url: string, rules: Parameters<typeof decideTarget>[1] = PUBLIC): string | null {
  const target = decideTarget(url, rules);
  return target.allowed ? null : target.code;
}

Deno.test("https to a public name or address is allowed", () => {
  for (const url of ["https://api.example.com/x?y#z", "https://8.8.8.8", "https://[2606:4700::1111]:8443/"]) {
    assert.equal(refusal(url), null, url);
  }
});

Deno.test("every spelling of a private address is recognised", () => {
  const spellings = [
    ...["127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1"],
    ...[
      "127.0.0.1.",
      "１２７.0.0.1",
      "127。0。0。1",
      "%31%32%37.0.0.1",
      "0",
      "0.0.0.0",
      "169.254.169.254",
      "0xA9FEA9FE",
    ],
    ...["[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"],
    ...["[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fd00:ec2::254]", "168.63.129.16"],
  ];
  for (const host of spellings) assert.equal(refusal(`https://${host}/`), "egress.blocked_address", host);
});

Deno.test("names of private networks are recognised before they are resolved", () => {
  const names = [
    ...["localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain", "printer.local"],
    ...["metadata", "kong", "metadata.google.internal", "nas.lan", "wiki.intranet", "router.home.arpa"],
  ];
  for (const name of names) assert.equal(refusal(`https://${name}/`), "egress.blocked_address", name);
  for (const name of ["localhost.example.com", "mylocalhost.com", "internal.example.com", "plan.example"]) {
    assert.equal(refusal(`https://${name}/`), null, name);
  }
});

Deno.test("what is not https is refused", () => {
  const urls = [
    "http://api.example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "data:,x",
    "gopher://x/",
    "ws://x",
  ];
  for (
    const url of [...urls, "javascript:1", "api.example.com", "", "https://", "https://a b/", "https://[::1"]
  ) {
    assert.equal(refusal(url), "egress.invalid_url", url);
  }
});

Deno.test("credentials in the URL are refused", () => {
  for (const url of ["https://user:pass@example.com/", "https://allowed.example@evil.example/"]) {
    assert.equal(refusal(url), "egress.invalid_url");
  }
});

Deno.test("with a list of allowed hosts only these exact hosts pass", () => {
  const rules = { privateHosts: [], allowedHosts: ["API.example.com", "alt.example.com:8443"] };
  for (
    const url of ["https://api.example.com/", "https://API.EXAMPLE.COM./", "https://alt.example.com:8443/"]
  ) {
    assert.equal(refusal(url, rules), null, url);
  }
  const refused = [
    ...["https://example.com", "https://x.api.example.com", "https://api.example.com.evil.example"],
    ...["https://xapi.example.com", "https://alt.example.com", "https://evil.example/?api.example.com"],
  ];
  for (const url of refused) assert.equal(refusal(url, rules), "egress.host_not_allowed", url);
  assert.equal(
    refusal("https://api.example.com", { privateHosts: [], allowedHosts: [] }),
    "egress.host_not_allowed",
  );
});

Deno.test("a private host passes by its exact port only, also without TLS", () => {
  const rules = { privateHosts: ["127.0.0.1:8080", "[::1]:9090", "provider.test:80"] };
  for (
    const url of [
      "http://127.0.0.1:8080/",
      "https://127.1:8080/",
      "http://[::1]:9090/",
      "http://provider.test/",
    ]
  ) {
    const target = decideTarget(url, rules);
    assert.ok(target.allowed && target.private, url);
  }
  assert.equal(refusal("http://127.0.0.1:8081/", rules), "egress.invalid_url");
  assert.equal(refusal("https://127.0.0.1:8081/", rules), "egress.blocked_address");
  assert.equal(refusal("http://provider.test:81/", rules), "egress.invalid_url");
});

Deno.test("a private host must still be an allowed host", () => {
  const rules = { privateHosts: ["127.0.0.1:8080"], allowedHosts: ["api.example.com"] };
  assert.equal(refusal("http://127.0.0.1:8080/", rules), "egress.host_not_allowed");
});

Deno.test("any text gets a decision, and nothing private is ever allowed", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.ipV4().map((ip) => `https://${ip}/`)), (text) => {
      const target = decideTarget(text, PUBLIC);
      assert.ok(!target.allowed || (!target.private && target.url.protocol === "https:"));
    }),
  );
});
