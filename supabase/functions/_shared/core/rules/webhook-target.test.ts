import assert from "node:assert/strict";
import fc from "fast-check";
import { webhookTarget } from "./webhook-target.ts";

const PROJECT = { projectUrl: "https://abc.supabase.co" };
const LOCAL = { projectUrl: "http://127.0.0.1:54321", privateHosts: ["127.0.0.1:9000"] };

const problemOf = (url: string, rules: Parameters<typeof webhookTarget>[1] = PROJECT) => {
  const target = webhookTarget(url, rules);
  return "problem" in target ? target.problem : null;
};

Deno.test("an https URL goes where it says, and its host is named as receivers are", () => {
  assert.deepEqual(webhookTarget("https://alerts.example.com/webhook?a=1", PROJECT), {
    url: "https://alerts.example.com/webhook?a=1",
    host: "alerts.example.com",
    own: false,
  });
  const hosts = {
    "https://ALERTS.example.com:443/": "alerts.example.com",
    "https://alerts.example.com.": "alerts.example.com",
    "https://alerts.example.com.:8443/x": "alerts.example.com:8443",
    "https://müller.example/": "xn--mller-kva.example",
    "https://[2606:4700::1111]:8443/": "[2606:4700::1111]:8443",
  };
  for (const [url, host] of Object.entries(hosts)) {
    const target = webhookTarget(url, PROJECT);
    assert.equal("host" in target && target.host, host, url);
  }
});

Deno.test("a URL that begins with a slash leads to the project's own functions", () => {
  assert.deepEqual(webhookTarget("/api/security/lockout", PROJECT), {
    url: "https://abc.supabase.co/functions/v1/api/security/lockout",
    host: "abc.supabase.co",
    own: true,
  });
  assert.deepEqual(webhookTarget("/api/../other?x=1", LOCAL), {
    url: "http://127.0.0.1:54321/functions/v1/other?x=1",
    host: "127.0.0.1:54321",
    own: true,
  });
});

Deno.test("no spelling of a path leads out of the project's functions", () => {
  const paths = [
    ...["/", "//", "//evil.example/x", "/\\evil.example", "\\/x", "/../rest/v1/rules", "/a/../../rest/v1"],
    ...["/%2e%2e/rest/v1", "/%2E./x", "/.%2e/x", "/..%2f..%2frest", "/a/..%5c..%5crest", "/a\\..\\..\\x"],
    ...["/./", "/?x", "/#x", "/.", "/..", "/\t/evil.example", "/\n../../auth/v1", "/a/..//../../auth/v1"],
    ...["/@evil.example", "/:8080/", "/%00"],
  ];
  for (const path of paths) assert.match(problemOf(path) ?? "", /^The url /, JSON.stringify(path));
});

Deno.test("whatever follows the slash, the request stays below the project's functions", () => {
  const piece = fc.oneof(
    fc.constantFrom("..", ".", "/", "\\", "%2e", "%2f", "@", ":", "?", "#", "a"),
    fc.string(),
  );
  fc.assert(fc.property(fc.array(piece), (pieces) => {
    const target = webhookTarget("/" + pieces.join(""), PROJECT);
    if ("problem" in target) return;
    assert.ok(new URL(target.url).href.startsWith("https://abc.supabase.co/functions/v1/"));
    assert.ok(target.own);
  }));
});

Deno.test("a URL that points inside the network is refused, and says so", () => {
  for (
    const host of ["127.1", "169.254.169.254", "localhost", "[::ffff:10.0.0.1]", "metadata.google.internal"]
  ) {
    assert.match(problemOf(`https://${host}/`) ?? "", /^The url points inside the network/, host);
  }
  assert.match(problemOf("https://127.0.0.1:54321/functions/v1/api", LOCAL) ?? "", /inside the network/);
});

Deno.test("what is no https URL is refused with what may be written", () => {
  for (
    const url of ["http://example.com/", "ftp://example.com", "example.com", "", "https://u:p@example.com/"]
  ) {
    assert.match(problemOf(url) ?? "", /^The url must be an https URL, or begin with one slash/, url);
  }
});

Deno.test("a private host passes where it is allowed", () => {
  assert.equal(problemOf("http://127.0.0.1:9000/hook", LOCAL), null);
  assert.notEqual(problemOf("http://127.0.0.1:9001/hook", LOCAL), null);
});

Deno.test("an event does not decide where a webhook goes", () => {
  for (const url of ["https://{{event.host}}/", "/{{event.name}}", "https://example.com/{{ event.id }}"]) {
    assert.match(problemOf(url) ?? "", /template/, url);
  }
});
