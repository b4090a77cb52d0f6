import assert from "node:assert/strict";
import { DatabaseError, type EgressRequest } from "../ports.ts";
import { fakeClock } from "../testing/fake-clock.ts";
import { createJournal, type FailedCall } from "./journal.ts";

const FAILED: FailedCall = {
  ...{ service_name: "crm", user_id: null, event_type: "contact.failed" },
  ...{ http_status: 503, error_code: "unavailable", error_message: "down" },
  endpoint: "https://api.crm.example/contacts",
  request: { method: "GET", url: "https://api.crm.example/contacts" },
  response: { headers: { "retry-after": "3", "set-cookie": "canary" }, body: '{"token":"canary"}' },
};

/** A journal whose surroundings are in memory; `settle` waits for what it does in the background. */
function build({ database = "works", reportStatus = 200 }: {
  database?: "works" | "down" | "hangs";
  reportStatus?: number;
} = {}) {
  const recorded: Record<string, unknown>[] = [];
  const roundTrips: string[] = [];
  const reports: EgressRequest[] = [];
  const errors: string[] = [];
  const pending: Promise<unknown>[] = [];
  const clock = fakeClock();
  const hang = Promise.withResolvers<void>();
  const journal = createJournal({
    clock,
    projectUrl: "https://project.example",
    internalToken: "the internal token",
    logger: { info() {}, warn() {}, error: (event) => void errors.push(event) },
    background: (work) => void pending.push(work),
    database: {
      async rpc<T>(name: string, args?: Record<string, unknown>) {
        assert.equal(name, "record_integration_events");
        if (database === "hangs") await hang.promise;
        if (database === "down") throw new DatabaseError("database.unreachable", "try again", 503);
        roundTrips.push(name);
        const events = args!.p_events as Record<string, unknown>[];
        recorded.push(...events);
        return events.map(({ id }) => id) as T;
      },
    },
    egress: {
      // deno-lint-ignore require-await
      async send(request) {
        reports.push(request);
        return { status: reportStatus, headers: {}, body: "" };
      },
    },
  });
  const settle = () => Promise.all(pending);
  return { journal, clock, recorded, roundTrips, reports, errors, settle, answer: hang.resolve };
}

Deno.test("a failure is recorded and then reported under the same id, as an internal caller", async () => {
  const { journal, recorded, reports, settle } = build();
  const id = await journal.failed(FAILED);
  assert.deepEqual([recorded[0]!.id, recorded[0]!.status, recorded[0]!.request], [
    id,
    "error",
    FAILED.request,
  ]);
  await settle();
  const [{ url, method, headers, body }] = reports as [EgressRequest];
  assert.equal(url, "https://project.example/functions/v1/integration-self-heal");
  assert.deepEqual([method, headers!["x-internal-token"]], ["POST", "the internal token"]);
  const { response_headers, response_body, ...report } = JSON.parse(body!);
  assert.deepEqual(report, {
    mode: "webhook",
    event_id: id,
    service_name: "crm",
    http_status: 503,
    error_code: "unavailable",
    error_message: "down",
    endpoint: "https://api.crm.example/contacts",
    retry_count: 0,
  });
  assert.equal(response_headers["retry-after"], "3");
  assert.match(response_body, /token/);
});

Deno.test("no secret leaves with a record or a report", async () => {
  const { journal, recorded, reports, settle } = build();
  await journal.failed({ ...FAILED, error_message: "password=canary", payload: { api_key: "canary" } });
  await settle();
  assert.ok(!JSON.stringify(recorded).includes("canary"));
  assert.ok(!reports[0]!.body!.includes("canary"));
});

Deno.test("a failure that cannot be recorded is reported with its request, and the caller does not notice", async () => {
  const { journal, reports, errors, settle } = build({ database: "down" });
  assert.match(await journal.failed(FAILED), /^[0-9a-f-]{36}$/);
  await settle();
  assert.deepEqual(JSON.parse(reports[0]!.body!).request, FAILED.request);
  assert.deepEqual(errors, ["integration.not_recorded"]);
});

Deno.test("a report is never larger than self-healing accepts: what weighs most stays behind", async () => {
  const weight = "ä\u0001".repeat(20_000);
  for (const database of ["works", "down"] as const) {
    const { journal, reports, settle } = build({ database });
    await journal.failed({
      ...FAILED,
      error_message: weight,
      endpoint: weight,
      payload: { weight },
      request: { method: "GET", url: "https://api.crm.example/contacts", body: weight },
      response: { headers: { "retry-after": "3", "x-weight": weight }, body: weight },
    });
    await settle();
    const body = reports[0]!.body!;
    assert.ok(new TextEncoder().encode(body).length <= 64 * 1024, database);
    const { event_id, http_status, error_code } = JSON.parse(body);
    assert.deepEqual([typeof event_id, http_status, error_code], ["string", 503, "unavailable"]);
  }
});

Deno.test("a failure is reported with its details only where no row holds them", async () => {
  const payload = { order: 7 };
  for (const [database, reported] of [["works", undefined], ["down", payload]] as const) {
    const { journal, reports, settle } = build({ database });
    await journal.failed({ ...FAILED, response: undefined, payload });
    await settle();
    assert.deepEqual(JSON.parse(reports[0]!.body!).payload, reported);
  }
});

Deno.test("details that JSON has no form for are recorded all the same", async () => {
  const { journal, recorded, reports, settle } = build();
  await journal.failed({ ...FAILED, response: undefined, payload: { id: 9007199254740993n, at: () => 1 } });
  await settle();
  assert.equal(JSON.stringify(recorded[0]!.payload), '{"id":"9007199254740993"}');
  assert.equal(reports.length, 1);
});

Deno.test("how long the provider asked to wait is recorded, for the scan when the report is lost", async () => {
  const { journal, recorded } = build({ reportStatus: 503 });
  const headers = {
    "Retry-After": "600",
    "x-ratelimit-reset-tokens": "6m0s",
    date: "today",
    "set-cookie": "canary",
  };
  await journal.failed({ ...FAILED, payload: { order: 7 }, response: { headers, body: "" } });
  assert.deepEqual(recorded[0]!.payload, {
    order: 7,
    response_headers: { "Retry-After": "600", "x-ratelimit-reset-tokens": "6m0s" },
  });
});

Deno.test("a database that hangs holds a caller up for five seconds, however many failures wait before", async () => {
  const { journal, clock, recorded, reports, answer, settle } = build({ database: "hangs" });
  const started = clock.now();
  const first = journal.failed(FAILED);
  await Promise.all([first, ...Array.from({ length: 250 }, () => journal.failed(FAILED))]);
  assert.deepEqual([...new Set(clock.sleeps)], [5_000]);
  assert.ok(clock.now() > started);
  answer();
  await settle();
  assert.deepEqual([recorded.length, reports.length], [251, 251]);
});

Deno.test("a report that fails is logged, and the caller does not notice", async () => {
  const { journal, errors, settle } = build({ reportStatus: 503 });
  await journal.failed(FAILED);
  await settle();
  assert.deepEqual(errors, ["integration.not_reported"]);
});

Deno.test("a success is recorded and not reported", async () => {
  const { journal, recorded, reports, settle } = build();
  journal.succeeded({ service_name: "crm", event_type: "contact.sent", http_status: 200, payload: { a: 1 } });
  await settle();
  assert.deepEqual(recorded, [{
    ...{ service_name: "crm", event_type: "contact.sent", http_status: 200, payload: { a: 1 } },
    status: "success",
  }]);
  assert.equal(reports.length, 0);
});

Deno.test("a hundred failures at once share round trips to the database", async () => {
  const { journal, recorded, roundTrips, settle } = build();
  const ids = await Promise.all(Array.from({ length: 100 }, () => journal.failed(FAILED)));
  await settle();
  assert.equal(new Set(ids).size, 100);
  assert.deepEqual(recorded.map(({ id }) => id), ids);
  assert.equal(roundTrips.length, 2);
});
