import assert from "node:assert/strict";
import { asText } from "../../testing/message-text.ts";
import { MAX_VALUE_LENGTH } from "./message.ts";
import { composeMessage } from "./messages.ts";

Deno.test("a failure says what failed, what is done about it, who must act and how", () => {
  const message = composeMessage("failure", {
    service_name: "slack",
    category: "auth",
    error_message: "Token expired",
    action_taken: "Refreshing the token, then repeating the call",
    status: "pending",
    owner: "you",
    advice: "Reconnect the account",
    event_id: "0d9e2c3a-0000-4000-8000-000000000001",
    created_at: "2026-11-20T19:30:00.123456+00:00",
  }, null);
  assert.equal(
    asText(message),
    `🚨 Integration Failure Detected

Service: slack
Category: auth
Error: Token expired

Recovery Plan: Refreshing the token, then repeating the call
Status: pending

Who Must Act: you
Advice: Reconnect the account

Event ID: 0d9e2c3a-0000-4000-8000-000000000001
Timestamp: 2026-11-20 19:30:00 UTC`,
  );
});

Deno.test("a recovery attempt says which attempt of three it is", () => {
  const message = composeMessage("attempt", {
    service_name: "slack",
    action_taken: "Repeating the call",
    retry_count: 1,
    error_message: "503",
  }, null);
  assert.equal(
    asText(message),
    `🔄 Recovery Attempt

Service: slack
Action: Repeating the call
Attempt: 1/3

Previous Error: 503`,
  );
});

Deno.test("a recovery says how long it took and how many failures it ended", () => {
  const message = composeMessage("recovered", {
    service_name: "slack",
    action_taken: "Token refreshed, call repeated",
    duration_seconds: 200.4,
    failure_reason: "Token expired",
    occurrences: 10_000,
  }, null);
  assert.equal(
    asText(message),
    `✅ Integration Recovered

Service: slack
Resolution: Token refreshed, call repeated
Time to Recover: 3 min 20 s

Original Error: Token expired
Occurrences: 10000`,
  );
});

Deno.test("a disabled integration asks for a review, and links the dashboard only where there is one", () => {
  const facts = {
    service_name: "slack",
    failure_reason: "5 data failures in a row",
    consecutive_failures: 5,
  };
  const without = `⛔ Integration Disabled

Service: slack
Reason: 5 data failures in a row
Failure Count: 5

Action Required: Manual review and re-enable`;
  assert.equal(asText(composeMessage("disabled", facts, null)), without);
  assert.equal(
    asText(composeMessage("disabled", facts, "https://admin.example/system-health")),
    `${without}\nDashboard: https://admin.example/system-health`,
  );
});

Deno.test("damage says what happened to which rows of which table, and what to do", () => {
  const facts = { table_name: "receipts", kind: "deleted", first_seq: 5, last_seq: 9, rows: 5 };
  assert.equal(
    asText(composeMessage("damage", { ...facts, detail: "no row" }, "https://admin.example/")),
    `🛑 Audit Log Damaged

Table: receipts
Damage: Rows were deleted

Numbers: 5 to 9
Rows: 5
Detail: no row

Action Required: Keep database and checkpoints as they are, and find out who changed what
Dashboard: https://admin.example/`,
  );
  assert.equal(
    asText(composeMessage("damage_over", { ...facts, last_seq: 5 }, null)),
    `✅ Audit Log Sound Again

Table: receipts
Damage: Rows were deleted

Numbers: 5`,
  );
});

Deno.test("a refused checkpoint says where it would have gone", () => {
  const facts = { table_name: "receipts", kind: "rewritten", place: "store", detail: "9 rows, 5 published" };
  assert.match(
    asText(composeMessage("damage", facts, null)),
    /Damage: The log was rewritten\nPlace: store\n\nDetail: 9 rows, 5 published\n\nAction Required: /,
  );
});

Deno.test("a failed action says which rule it belongs to, what went wrong, and that nobody tries it again", () => {
  assert.equal(
    asText(composeMessage("action_failed", {
      rule_id: "login-lockout",
      rule_name: "Lock out after failed logins",
      action: "webhook",
      error: "webhook.refused: The receiver answered 410.",
      event_id: "login-17",
    }, null)),
    `⚠️ Rule Action Failed

Rule: Lock out after failed logins (login-lockout)
Action: webhook
Error: webhook.refused: The receiver answered 410.

Action Required: Mend the rule or what it acts on: this action is not tried again

Event ID: login-17`,
  );
});

Deno.test("a fact that is unknown has no line", () => {
  const message = composeMessage("failure", { service_name: "slack", error_message: null }, null);
  assert.equal(asText(message), "🚨 Integration Failure Detected\n\nService: slack");
});

Deno.test("an error text stays on its line, in one piece, and short", () => {
  const errorOf = (error_message: string) =>
    composeMessage("failure", { service_name: "slack", error_message }, null).paragraphs[0]![1]!.value;
  assert.equal(errorOf("a\r\n\tb\u0000c\u2028d "), "a b c d");
  const long = errorOf("x".repeat(10_000));
  assert.equal(long.length, MAX_VALUE_LENGTH);
  assert.ok(long.endsWith("x…"));
  assert.ok(errorOf("😀".repeat(10_000)).isWellFormed());
});

Deno.test("unknown kinds and malformed facts are errors, not messages", () => {
  assert.throws(() => composeMessage("celebration", { service_name: "slack" }, null), /celebration/);
  assert.throws(() => composeMessage("toString", {}, null), /toString/);
  assert.throws(() => composeMessage("failure", {}, null), /service_name/);
  assert.throws(() => composeMessage("recovered", { service_name: "slack", duration_seconds: -1 }, null));
});
