import assert from "node:assert/strict";
import { asText } from "../../../testing/message-text.ts";
import { composeMessage } from "../messages.ts";

const INCIDENT = {
  incident_id: 12,
  dedup_key: "invariant:SALE_TOTAL_MATCHES_ITEMS",
  priority: "P1",
  title: "SALE_TOTAL_MATCHES_ITEMS is violated",
  status: "AUTO_HEALING",
  attempts: 0,
  opened_at: "2026-11-20T19:30:00.123456+00:00",
  detail: "sale 17: expected 1000, found 900",
  count: 3,
};

function text(kind: string, facts: object = {}, dashboardUrl: string | null = null): string {
  return asText(composeMessage(kind, { ...INCIDENT, ...facts }, dashboardUrl));
}

Deno.test("an incident that opens says how urgent it is, what is wrong, since when, and where to look", () => {
  assert.equal(
    text("incident_opened", {}, "https://admin.example/"),
    `🔥 P1 Incident Opened

Incident: #12 SALE_TOTAL_MATCHES_ITEMS is violated
Status: AUTO_HEALING
Opened: 2026-11-20 19:30:00 UTC

Detail: sale 17: expected 1000, found 900
Count: 3
Attempts: 0

Dashboard: https://admin.example/`,
  );
});

Deno.test("an escalation says how often healing was tried, and asks for a person", () => {
  assert.equal(
    text("incident_escalated", { status: "ESCALATED", attempts: 3 }),
    `📣 P1 Incident Escalated

Incident: #12 SALE_TOTAL_MATCHES_ITEMS is violated
Status: ESCALATED
Opened: 2026-11-20 19:30:00 UTC

Detail: sale 17: expected 1000, found 900
Count: 3
Attempts: 3

Action Required: It did not heal by itself: acknowledge it and mend the cause`,
  );
});

Deno.test("a reminder says how long the incident has been open and who took it", () => {
  const reminder = text("incident_reminder", {
    status: "ACKNOWLEDGED",
    acknowledged_by: "user:ada",
    duration_seconds: 3_900,
  });
  assert.match(reminder, /^⏰ P1 Incident Still Open\n/);
  assert.match(reminder, /\n\nOpen For: 1 h 5 min\nAcknowledged By: user:ada$/);
});

Deno.test("an acknowledgement names who took the incident", () => {
  assert.equal(
    text("incident_acknowledged", { acknowledged_by: "user:ada", note: "I am on it" }),
    `👀 P1 Incident Acknowledged

Incident: #12 SALE_TOTAL_MATCHES_ITEMS is violated
Acknowledged By: user:ada
Note: I am on it`,
  );
});

Deno.test("a resolution says whether a person or the healing did it, and how long it took", () => {
  const healed = text("incident_resolved", {
    auto_healed: true,
    resolved_by: "system",
    duration_seconds: 65,
  });
  assert.equal(
    healed,
    `✅ P1 Incident Resolved

Incident: #12 SALE_TOTAL_MATCHES_ITEMS is violated
Resolved By: healing
Time to Resolve: 1 min 5 s

Was: sale 17: expected 1000, found 900`,
  );
  assert.match(
    text("incident_resolved", { auto_healed: false, resolved_by: "user:ada" }),
    /Resolved By: user:ada/,
  );
});

Deno.test("a page that fails says why, and whether it is sent again", () => {
  assert.equal(
    text("page_failed", { channel: "pagerduty", error: "HTTP 503" }),
    `📟 P1 Page Not Delivered

Incident: #12 SALE_TOTAL_MATCHES_ITEMS is violated
Detail: sale 17: expected 1000, found 900

Channel: pagerduty
Error: HTTP 503

Action Required: Tell whoever is on call: the page is sent again, but may come too late`,
  );
  assert.match(
    text("page_failed", { channel: "pagerduty", error: "HTTP 400", given_up: true }),
    /Tell whoever is on call: this page is not sent again$/,
  );
});

Deno.test("a priority that does not exist is an error, not a message", () => {
  assert.throws(() => text("incident_opened", { priority: "P0" }), /priority/);
});
