import assert from "node:assert/strict";
import { createBackground } from "../_shared/adapters/background.ts";
import type { PreparedReport } from "../_shared/core/recovery/report.ts";
import { DatabaseError } from "../_shared/ports.ts";
import { fakeClock } from "../_shared/testing/fake-clock.ts";
import { recordingLogger } from "../_shared/testing/recording-logger.ts";
import { createExplain } from "./explain.ts";
import { createHandleWork } from "./handle-work.ts";
import type { Recovery, RecoveryResult, RecoveryStore, ReportAnswer, WorkItem } from "./recovery-store.ts";
import { createReportFailure } from "./report-failure.ts";

const row: Recovery = {
  event_id: "00000000-0000-4000-8000-000000000002",
  recovery_id: "00000000-0000-4000-8000-000000000001",
  category: "network",
  status: "pending",
  action_taken: "Repeating the call",
  next_retry_at: null,
};
const work = {
  recovery_id: row.recovery_id,
  event_id: row.event_id,
  epoch: 1,
  attempts: 0,
  category: "network",
} as WorkItem;
const report = {
  event_id: row.event_id,
  service_name: "orders",
  http_status: 503,
  error_message: "Service temporarily unavailable",
};

/** The use case with a store that answers as planned and keeps what it is given. */
function build(
  answer: Partial<ReportAnswer>,
  { rows = [], accepted = true, finishErrors = [], explainer = null, recover }: {
    rows?: Partial<Recovery & { in_progress: boolean }>[];
    accepted?: boolean;
    finishErrors?: Error[];
    explainer?: Parameters<typeof createExplain>[0]["explainer"];
    recover?: () => Promise<RecoveryResult>;
  } = {},
) {
  const clock = fakeClock();
  const logger = recordingLogger();
  const reported: PreparedReport[] = [];
  const finished: RecoveryResult[] = [];
  const explanations: string[] = [];
  const store = {
    report(prepared: PreparedReport) {
      reported.push(prepared);
      return Promise.resolve({ ...row, ...answer } as ReportAnswer);
    },
    finish(_work: WorkItem, result: RecoveryResult) {
      finished.push(result);
      const error = finishErrors.shift();
      if (error) return Promise.reject(error);
      return Promise.resolve({ ...row, status: "resolved", action_taken: result.action_taken, accepted });
    },
    get: () => Promise.resolve({ ...row, in_progress: true, ...(rows.length > 1 ? rows.shift() : rows[0]) }),
    saveExplanation: (_id: string, text: string) => Promise.resolve(void explanations.push(text)),
  } as Partial<RecoveryStore> as RecoveryStore;
  const rounds: [firstDelayMs: number, remainingMs: number][] = [];
  const handleWork = createHandleWork({
    store,
    clock,
    logger,
    recover: (_work, firstDelayMs, deadline) => {
      rounds.push([firstDelayMs, deadline - clock.now()]);
      return recover ? recover() : Promise.resolve({
        outcome: "resolved",
        action_taken: "Repeated the call",
        attempts: 1,
        reached_provider: true,
      });
    },
  });
  const pending: Promise<unknown>[] = [];
  const background = createBackground({
    logger,
    runtime: { EdgeRuntime: { waitUntil: (work) => (pending.push(work), work) } },
  });
  const failures: unknown[] = [];
  // deno-lint-ignore require-await
  const audit = { logError: async (entry: unknown) => void failures.push(entry) };
  const explain = createExplain({ explainer, store, audit, background });
  const handle = createReportFailure({ store, handleWork, explain, clock, random: () => 0 });
  return { handle, clock, logger, reported, finished, explanations, rounds, pending, failures };
}

Deno.test("who claims a failure recovers it after the planned pause and within ten seconds", async () => {
  const { handle, rounds, finished } = build({ state: "claimed", work });
  const answer = await handle(report);
  assert.deepEqual(rounds, [[250, 10_000]]);
  assert.equal(finished.length, 1);
  assert.deepEqual([answer.status, answer.action_taken], ["resolved", "Repeated the call"]);
});

Deno.test("what is only recorded is answered as it stands, with the time of its retry", async () => {
  const next_retry_at = "2026-01-02T03:05:05+00:00";
  const { handle, rounds } = build({ state: "recorded", next_retry_at });
  const answer = await handle(report);
  assert.deepEqual([answer.retry_scheduled, answer.next_retry_at, rounds.length], [true, next_retry_at, 0]);
});

Deno.test("a copy waits for the first one's result", async () => {
  const { handle, clock } = build({ state: "in_progress" }, {
    rows: [{}, {}, { in_progress: false, status: "resolved", action_taken: "Repeated the call" }],
  });
  const answer = await handle(report);
  assert.deepEqual([answer.status, answer.action_taken], ["resolved", "Repeated the call"]);
  assert.deepEqual(clock.sleeps, [250, 250]);
});

Deno.test("a copy's patience ends after twelve seconds, with the state of then", async () => {
  const { handle, clock } = build({ state: "in_progress" });
  const started = clock.now();
  assert.equal((await handle(report)).status, "pending");
  assert.equal(clock.now() - started, 12_000);
});

Deno.test("a recovery that breaks is stored as failed with its reason, without secrets, and tried later", async () => {
  const { handle, finished, logger } = build({ state: "claimed", work }, {
    recover: () => Promise.reject(new TypeError("cannot read password=canary-1234")),
  });
  await handle(report);
  const { outcome, delay_seconds, action_taken } = finished[0]!;
  assert.deepEqual([outcome, delay_seconds], ["failed", 60]);
  assert.match(action_taken, /^The recovery itself failed: cannot read password=\[redacted\]/);
  assert.equal(logger.lines[0]!.event, "recovery.broken");
});

Deno.test("a recovery that breaks every time is given up in the end", async () => {
  const { handle, finished } = build({ state: "claimed", work: { ...work, attempts: 11 } }, {
    recover: () => Promise.reject(new Error("always")),
  });
  await handle(report);
  assert.deepEqual([finished[0]!.outcome, finished[0]!.delay_seconds], ["gave_up", undefined]);
});

Deno.test("a worker that lost its lease says so in the log", async () => {
  const { handle, logger } = build({ state: "claimed", work }, { accepted: false });
  await handle(report);
  assert.deepEqual(logger.lines.map(({ event }) => event), ["recovery.lease_lost"]);
});

Deno.test("a result is kept through a short trouble of the database, and an error when that lasts", async () => {
  const busy = new DatabaseError("database.busy", "busy", 503);
  const short = build({ state: "claimed", work }, { finishErrors: [busy, busy] });
  assert.equal((await short.handle(report)).status, "resolved");
  assert.equal(short.finished.length, 3);
  assert.deepEqual(short.clock.sleeps, [500, 1_000]);
  const long = build({ state: "claimed", work }, { finishErrors: [busy, busy, busy] });
  await assert.rejects(() => long.handle(report), busy);
  const refused = new DatabaseError("database.rejected", "a value does not fit", 422);
  const poisoned = build({ state: "claimed", work }, { finishErrors: [refused] });
  await assert.rejects(() => poisoned.handle(report), refused);
  assert.equal(poisoned.finished.length, 1);
});

Deno.test("a failure that cannot be stored is an error, never a success", async () => {
  const down = new DatabaseError("database.unreachable", "unreachable", 503);
  const failing = createReportFailure({
    store: { report: () => Promise.reject(down) } as Partial<RecoveryStore> as RecoveryStore,
    handleWork: () => assert.fail("nothing was claimed"),
    explain: () => assert.fail("nothing was stored"),
    clock: fakeClock(),
    random: () => 0,
  });
  await assert.rejects(() => failing(report), down);
});

const unclear = {
  ...report,
  http_status: null,
  error_message: "zzz sb_secret_canary9f8e7d6c5b",
  useLLM: true,
};

Deno.test("a language model is asked only about what is not clear, only on request, without secrets", async () => {
  const prompts: string[] = [];
  const explainer = {
    explain({ user }: { user: string }, timeoutMs: number) {
      assert.equal(timeoutMs, 5_000);
      prompts.push(user);
      return Promise.resolve("Check the key password=canary-9f8e7d6c5b");
    },
  };
  const asked = build({ state: "recorded" }, { explainer });
  await asked.handle(unclear);
  await Promise.all(asked.pending);
  assert.match(prompts[0]!, /^Analyze this integration failure[^]*Service: orders[^]*Category: unknown/);
  assert.deepEqual(asked.explanations, ["Check the key password=[redacted]"]);
  assert.ok(!prompts[0]!.includes("canary"));

  for (
    const [state, what] of [["recorded", { ...unclear, useLLM: false }], ["recorded", {
      ...report,
      useLLM: true,
    }], ["duplicate", unclear]] as const
  ) {
    const { handle, pending } = build({ state }, { explainer });
    await handle(what);
    assert.equal(pending.length, 0);
  }
});

Deno.test("a language model that fails or hangs neither delays the recovery nor fails it, and is on record", async () => {
  const hanging = build({ state: "claimed", work }, { explainer: { explain: () => new Promise(() => {}) } });
  assert.equal((await hanging.handle(unclear)).status, "resolved");
  const failing = build({ state: "claimed", work }, {
    explainer: { explain: () => Promise.reject(new Error("no")) },
  });
  assert.equal((await failing.handle(unclear)).status, "resolved");
  await Promise.all(failing.pending);
  assert.deepEqual(failing.failures, [{
    ...{ actor: "language-model", action: "failure.not_explained", resource: `recovery:${row.recovery_id}` },
    error: new Error("no"),
  }]);
});
