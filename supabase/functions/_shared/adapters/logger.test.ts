import assert from "node:assert/strict";
import { createLogger, type Level } from "./logger.ts";

const clock = { now: () => Date.parse("2026-01-01T00:00:00Z"), sleep: () => Promise.resolve() };

function logged(fields: Record<string, unknown>, level: Level = "info"): string {
  const lines: string[] = [];
  createLogger({ clock, write: (_level, line) => void lines.push(line) })[level]("something", fields);
  assert.equal(lines.length, 1);
  return lines[0]!;
}

Deno.test("an event is one line of JSON with its time, level, name and fields", () => {
  assert.equal(
    logged({ request_id: "r1", text: "two\nlines" }, "warn"),
    '{"time":"2026-01-01T00:00:00.000Z","level":"warn","event":"something","request_id":"r1","text":"two\\nlines"}',
  );
});

Deno.test("secrets do not reach the log", () => {
  const line = logged({
    access_token: "canary",
    error: new Error("request with Authorization: Bearer canary failed"),
    request: { headers: { authorization: "Bearer canary" } },
  });
  assert.ok(!line.includes("canary"), line);
  assert.match(line, /request with/);
});

Deno.test("fields cannot disguise the event", () => {
  assert.equal(JSON.parse(logged({ event: "other", level: "error" })).event, "something");
});

Deno.test("whatever is logged, the line is JSON and short enough for the platform", () => {
  const circular: Record<string, unknown> = { big: 10n };
  circular.self = circular;
  for (const fields of [circular, { text: '"'.repeat(100_000) }, { text: "\0".repeat(100_000) }]) {
    const line = logged(fields);
    assert.ok(line.length < 10_000, String(line.length));
    assert.equal(JSON.parse(line).event, "something");
  }
});
