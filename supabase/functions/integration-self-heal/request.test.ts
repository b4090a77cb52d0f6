import assert from "node:assert/strict";
import { healRequest, withMode } from "./request.ts";

const report = {
  event_id: "7D0B9F5E-4A39-4B7E-9A51-0F6F1C1E2A01",
  service_name: "orders",
  error_message: "Service Unavailable",
};

/** What is done about a body that is sent to the endpoint with this query; undefined: it is refused. */
const asked = (body: unknown, query = "") =>
  healRequest.safeParse(withMode(body, new URL(`https://project.test/${query}`))).data;

Deno.test("a report is meant unless body or query ask for a scan", () => {
  assert.equal(asked(report)?.mode, "webhook");
  for (
    const scan of [asked({ mode: "scan" }), asked({}, "?mode=scan"), asked({ mode: "scan" }, "?mode=scan")]
  ) {
    assert.deepEqual(scan, { mode: "scan", window_minutes: 15, limit: 50 });
  }
});

Deno.test("a report never gets lost as a scan, whatever the query says", () => {
  assert.equal(asked({ ...report, mode: "webhook" }, "?mode=scan")?.mode, "webhook");
  assert.equal(asked(report, "?mode=scan"), undefined);
});

Deno.test("a mode that does not exist is refused", () => {
  for (
    const refused of [
      asked(report, "?mode=sweep"),
      asked({ ...report, mode: null }),
      asked([]),
      asked("scan"),
    ]
  ) {
    assert.equal(refused, undefined);
  }
});

Deno.test("an event has one id, in whatever case it is spelled", () => {
  const request = asked(report);
  assert.equal(request?.mode === "webhook" && request.event_id, report.event_id.toLowerCase());
});
