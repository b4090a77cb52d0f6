import assert from "node:assert/strict";
import fc from "fast-check";
import { channels } from "./channels.ts";
import { composeMessage } from "./messages.ts";

const RECEIVER_LIMITS: Record<string, number> = { slack: 40_000, teams: 28 * 1024 };

const KINDS = [
  ...["failure", "attempt", "recovered", "disabled"],
  ...[
    "incident_opened",
    "incident_escalated",
    "incident_reminder",
    "incident_acknowledged",
    "incident_resolved",
  ],
  ...["page_failed", "safe_mode_on", "safe_mode_off"],
];

const hostileText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 2_000 }),
  fc.constantFrom(
    "&".repeat(2_000),
    "\u0001".repeat(2_000),
    "漢".repeat(2_000),
    "\\\"'`".repeat(600),
    "\ud800",
  ),
);
const anyMessage = fc.record({
  service_name: hostileText,
  category: hostileText,
  error_message: hostileText,
  action_taken: hostileText,
  status: hostileText,
  owner: fc.constantFrom("us", "provider", "you", null),
  advice: hostileText,
  event_id: hostileText,
  created_at: hostileText,
  failure_reason: hostileText,
  incident_id: fc.nat(),
  priority: fc.constantFrom("P1", "P2", "P3", "P4"),
  title: hostileText,
  detail: hostileText,
  opened_at: hostileText,
  channel: hostileText,
  error: hostileText,
  note: hostileText,
  resolved_by: hostileText,
  reason: hostileText,
  changed_by: hostileText,
}).chain((facts) =>
  fc.constantFrom(...KINDS).map((kind) => composeMessage(kind, facts, "https://admin.example/system-health"))
);

Deno.test("channels have different names, in lower case", () => {
  const names = channels.map((channel) => channel.name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[a-z]+$/);
});

for (const channel of channels) {
  Deno.test(`${channel.name}: whatever a message holds, its body is JSON within the receiver's limit`, () => {
    fc.assert(fc.property(anyMessage, (message) => {
      const body = channel.render(message);
      assert.ok(JSON.parse(body));
      assert.ok(new TextEncoder().encode(body).length <= RECEIVER_LIMITS[channel.name]!);
    }));
  });

  Deno.test(`${channel.name}: a message carries its title and every one of its lines`, () => {
    const message = composeMessage("failure", {
      service_name: "a service",
      error_message: "an error",
      advice: "some advice",
      action_taken: "an action",
    }, null);
    const body = channel.render(message);
    assert.ok(body.includes(message.title));
    for (const { label, value } of message.paragraphs.flat()) {
      assert.ok(body.includes(label) && body.includes(value), label);
    }
  });

  Deno.test(`${channel.name}: rendering is repeatable`, () => {
    const message = composeMessage("attempt", { service_name: "slack", retry_count: 2 }, null);
    assert.equal(channel.render(message), channel.render(message));
  });
}
