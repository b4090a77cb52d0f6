import assert from "node:assert/strict";
import fc from "fast-check";
import { composePage, judgePage } from "./page.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const PAGER = { routingKey: KEY, source: "abc.supabase.co", dashboardUrl: "https://admin.example/" };
const NOW = new Date("2026-11-20T12:00:00Z");
const FACTS = {
  action: "trigger",
  incident_id: 12,
  dedup_key: "invariant:SALE_TOTAL_MATCHES_LINE_ITEMS",
  priority: "P1",
  title: "SALE_TOTAL_MATCHES_LINE_ITEMS is violated",
  detail: "sale 17: expected 1000, found 900",
  count: 3,
  opened_at: "2026-11-20T19:30:00.123456+00:00",
};

function compose(facts: object = {}) {
  return JSON.parse(composePage({ ...FACTS, ...facts }, PAGER));
}

function judge(status: number, body = "", earlierAttempts = 0, headers: Record<string, string> = {}) {
  return judgePage({ status, body, headers }, KEY, earlierAttempts, NOW);
}

Deno.test("a page says how urgent it is, what is wrong, where, since when, and where to look", () => {
  assert.deepEqual(compose(), {
    routing_key: KEY,
    event_action: "trigger",
    dedup_key: "abc.supabase.co:invariant:SALE_TOTAL_MATCHES_LINE_ITEMS",
    client: "Self-healing",
    client_url: "https://admin.example/",
    payload: {
      summary: "P1: SALE_TOTAL_MATCHES_LINE_ITEMS is violated: sale 17: expected 1000, found 900",
      source: "abc.supabase.co",
      severity: "critical",
      timestamp: "2026-11-20T19:30:00.123456+00:00",
      custom_details: {
        incident_id: 12,
        priority: "P1",
        title: "SALE_TOTAL_MATCHES_LINE_ITEMS is violated",
        detail: "sale 17: expected 1000, found 900",
        count: 3,
        opened_at: "2026-11-20T19:30:00.123456+00:00",
      },
    },
  });
});

Deno.test("acknowledging and resolving name the alert, and nothing else", () => {
  for (const action of ["acknowledge", "resolve"]) {
    assert.deepEqual(compose({ action }), {
      routing_key: KEY,
      event_action: action,
      dedup_key: "abc.supabase.co:invariant:SALE_TOTAL_MATCHES_LINE_ITEMS",
    });
  }
});

Deno.test("each priority has PagerDuty's severity", () => {
  const severities = ["P1", "P2", "P3", "P4"].map((priority) => compose({ priority }).payload.severity);
  assert.deepEqual(severities, ["critical", "error", "warning", "info"]);
});

Deno.test("whatever an incident holds, its page keeps PagerDuty's limits", () => {
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 3_000 }), fc.constant("漢".repeat(70_000)));
  fc.assert(fc.property(text, text, text, (title, detail, dedup_key) => {
    const body = composePage({ ...FACTS, title, detail, dedup_key }, PAGER);
    const event = JSON.parse(body);
    assert.ok(event.payload.summary.length <= 1_024);
    assert.ok(event.dedup_key.length <= 255);
    assert.ok(new TextEncoder().encode(body).length <= 512 * 1024);
  }));
});

Deno.test("incidents with long keys keep alerts of their own, the same for all that happens to them", () => {
  const dedup_key = `invariant:${"x".repeat(300)}`;
  const keys = [
    compose({ dedup_key, incident_id: 1 }),
    compose({ dedup_key, incident_id: 1, action: "resolve" }),
    compose({ dedup_key: dedup_key + "y", incident_id: 2 }),
  ].map((event) => event.dedup_key);
  assert.equal(keys[0], keys[1]);
  assert.notEqual(keys[0], keys[2]);
});

Deno.test("facts that are no page are an error", () => {
  assert.throws(() => compose({ action: "celebrate" }), /action/);
  assert.throws(() => compose({ priority: "P0" }), /priority/);
  assert.throws(() => compose({ opened_at: "yesterday" }), /opened_at/);
});

Deno.test("a page is delivered when PagerDuty says so in words", () => {
  assert.deepEqual(judge(202, '{"status":"success","message":"Event processed","dedup_key":"a"}'), {
    outcome: "delivered",
  });
  for (
    const body of ["", "<html>welcome to the proxy</html>", '{"status":"throttled"}', "null", '"success"']
  ) {
    assert.equal(judge(202, body).outcome, "retry", body);
  }
});

Deno.test("a bad event is final, and the answer's reason is kept without the key that it quotes", () => {
  const delivery = judge(400, `{"status":"invalid event","errors":["routing_key ${KEY} is unknown"]}`);
  assert.equal(delivery.outcome, "dead");
  assert.ok("error" in delivery && delivery.error.includes("invalid event") && !delivery.error.includes(KEY));
});

Deno.test("a pager that is busy or down is asked again when it says, else at least every five minutes for a day", () => {
  assert.deepEqual(judge(429, "", 0, { "retry-after": "120" }), {
    outcome: "retry",
    error: "HTTP 429",
    retry_after_seconds: 120,
  });
  let seconds = 0;
  for (let earlier = 0; earlier < 299; earlier++) {
    const delivery = judge(503, "", earlier);
    assert.ok(delivery.outcome === "retry" && delivery.retry_after_seconds <= 300);
    seconds += delivery.retry_after_seconds;
  }
  assert.ok(seconds >= 24 * 3_600, `${seconds} s`);
  assert.equal(judge(503, "", 299).outcome, "dead");
});
