import assert from "node:assert/strict";
import type { FreshToken } from "../_shared/grants/refresher.ts";
import { DatabaseError } from "../_shared/ports.ts";
import type { PreparedReport } from "../_shared/core/recovery/report.ts";
import { fakeClock } from "../_shared/testing/fake-clock.ts";
import { recordingLogger } from "../_shared/testing/recording-logger.ts";
import { createAdopt } from "./adopt.ts";
import type { MissedFailure } from "./missed-failure.ts";
import type { RecoveryStore, ReportAnswer, WorkItem } from "./recovery-store.ts";
import { createScan, type ScanOptions } from "./scan.ts";

/** A scan over a store with endless due work; each recovery takes `milliseconds`. */
function build(overrides: Partial<RecoveryStore> = {}, options: Partial<ScanOptions> = {}, milliseconds = 0) {
  const clock = fakeClock();
  const logger = recordingLogger();
  const claims: number[] = [];
  let item = 0;
  const store = {
    missed: () => Promise.resolve([]),
    expiringGrants: () => Promise.resolve([]),
    claim(limit: number) {
      claims.push(limit);
      return Promise.resolve(Array.from({ length: limit }, () => ({
        event_id: `event-${++item}`,
        recovery_id: `recovery-${item}`,
        service_name: "orders",
      } as WorkItem)));
    },
    ...overrides,
  } as Partial<RecoveryStore> as RecoveryStore;
  const scan = createScan({
    store,
    logger,
    clock,
    adopt: () => assert.fail("nothing was missed"),
    refresher: { freshToken: () => assert.fail("no token expires") },
    async handleWork({ event_id, recovery_id }) {
      await Promise.resolve();
      if (event_id === "event-1") clock.advance(milliseconds);
      return {
        event_id,
        recovery_id,
        category: "network",
        status: "resolved",
        action_taken: "Repeated the call",
        next_retry_at: null,
      };
    },
    ...options,
  });
  return { scan, claims, clock, logger };
}

Deno.test("a scan claims in batches, as much as its limit says and no more", async () => {
  const { scan, claims } = build();
  assert.equal((await scan(120, 15)).processed_count, 120);
  assert.deepEqual(claims, [50, 50, 20]);
});

Deno.test("a scan whose time is up claims nothing more and says what it did", async () => {
  const { scan, claims } = build({}, {}, 41_000);
  assert.deepEqual([(await scan(1_000, 15)).resolved_count, claims], [50, [50]]);
});

Deno.test("a result that cannot be stored is left to the next scan and stops nothing", async () => {
  const { scan, logger } = build({}, {
    handleWork: ({ event_id, recovery_id }) =>
      event_id === "event-2"
        ? Promise.reject(new DatabaseError("database.busy", "busy", 503))
        : Promise.resolve({
          event_id,
          recovery_id,
          category: "network",
          status: "pending",
          action_taken: "",
          next_retry_at: null,
        }),
  });
  const answer = await scan(3, 15);
  assert.deepEqual(answer.events.map(({ event_id }) => event_id), ["event-1", "event-3"]);
  assert.deepEqual(logger.lines.map(({ event }) => event), ["scan.result_not_stored"]);
});

Deno.test("a scan that cannot claim is an error, never a success", async () => {
  const down = new DatabaseError("database.unreachable", "unreachable", 503);
  await assert.rejects(() => build({ claim: () => Promise.reject(down) }).scan(1, 15), down);
});

Deno.test("each token that is about to expire is refreshed, whatever becomes of the others", async () => {
  const users = ["a", "b", "c"];
  const asked: unknown[] = [];
  const outcomes: (FreshToken | Error)[] = [
    new DatabaseError("database.busy", "busy", 503),
    { kind: "needs_reauth", message: "refused" },
    { kind: "fresh", accessToken: "t", tokenVersion: 2, expiresAt: null },
  ];
  const { scan, logger } = build({
    claim: () => Promise.resolve([]),
    expiringGrants: () =>
      Promise.resolve(users.map((user_id) => ({ service_name: "mail", user_id, token_version: 1 }))),
  }, {
    refresher: {
      freshToken(service, user, version) {
        asked.push([service, user, version]);
        const outcome = outcomes[asked.length - 1]!;
        return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
      },
    },
  });
  assert.equal((await scan(50, 15)).success, true);
  assert.deepEqual(asked, users.map((user) => ["mail", user, 1]));
  assert.deepEqual(logger.lines.map(({ level }) => level).sort(), ["error", "warn"]);
});

const failure = {
  ...{ event_id: "event-1", service_name: "orders", error_message: "odd", http_status: 503 },
  created_at: new Date(fakeClock().now() - 60_000).toISOString(),
};

/** Adopts a failure of a minute ago with a store that fails as planned, then answers. */
async function adopting(...errors: Error[]) {
  return await adoptingOf(failure, ...errors);
}

async function adoptingOf(failure: MissedFailure, ...errors: Error[]) {
  const reports: PreparedReport[] = [];
  const adopt = createAdopt({
    clock: fakeClock(),
    random: () => 0.5,
    logger: recordingLogger(),
    store: {
      report(prepared) {
        reports.push(prepared);
        const error = errors.shift();
        return error ? Promise.reject(error) : Promise.resolve({ event_id: "event-1" } as ReportAnswer);
      },
    },
  });
  return { adopted: await adopt(failure), reports };
}

Deno.test("an adopted failure is due at once and counts only by how its retry ends", async () => {
  const { reports } = await adopting();
  const { plan, hold } = reports[0]!;
  assert.deepEqual([plan.step, plan.delay_seconds, hold], ["wait", 0, true]);
  assert.match(plan.action_taken, /^Found by the scan\. /);
});

Deno.test("a wait counts from the failure on, not from when it was found", async () => {
  const waits = { "30": 0, "90": 30, "Fri, 02 Jan 2026 03:05:05 GMT": 60, "5": 0 };
  for (const [asked, left] of Object.entries(waits)) {
    const limited = { ...failure, http_status: 429, response_headers: { "retry-after": asked } };
    const { plan } = (await adoptingOf(limited)).reports[0]!;
    assert.deepEqual([plan.step, plan.delay_seconds], ["wait", left], asked);
  }
});

Deno.test("an event that the database refuses goes to people without its content", async () => {
  const refused = new DatabaseError("database.rejected", "a value does not fit", 422);
  const { adopted, reports } = await adopting(refused);
  assert.ok(adopted);
  const { plan, error_message, http_status } = reports[1]!;
  assert.deepEqual([plan.step, error_message, http_status], ["tell", "The event could not be read", null]);
  assert.match(plan.action_taken, /a value does not fit/);
});

Deno.test("an event that cannot be stored now is left for the next scan", async () => {
  const down = new DatabaseError("database.unreachable", "unreachable", 503);
  const { adopted, reports } = await adopting(down);
  assert.deepEqual([adopted, reports.length], [null, 1]);
  const refused = new DatabaseError("database.rejected", "a value does not fit", 422);
  assert.equal((await adopting(refused, down)).adopted, null);
});
