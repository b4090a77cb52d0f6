import assert from "node:assert/strict";
import { actionContext } from "../testing/action-context.ts";
import { fakeMode } from "../testing/fake-mode.ts";
import { fakeClock } from "../testing/fake-clock.ts";
import { recordingLogger } from "../testing/recording-logger.ts";
import { DatabaseError, type EgressRequest, type EgressResponse, type SystemMode } from "../ports.ts";
import { createActionRuns } from "./action-runs.ts";
import type { ActionRun, EndedRun, RuleStorage } from "./storage.ts";

const webhook = {
  type: "webhook",
  url: "https://alerts.example.com/hook",
  payload: { lane: "{{event.lane}}" },
};

function queuedRun(changes: Partial<ActionRun> = {}): ActionRun {
  return {
    id: crypto.randomUUID(),
    rule: { id: "r", name: "R", version: 1 },
    ...{ eventId: "e", position: 0, type: "webhook", action: webhook, event: { lane: 1 } },
    ...{ state: "queued" as const, result: null, error: null, progress: null },
    ...changes,
  };
}

const BATCH = 20;

interface Fakes {
  runs: ActionRun[];
  /** How often each run's message was tried before. */
  attempts?: number;
  /** The last of them is given for ever. */
  answers?: (Partial<EgressResponse> | Error | Promise<EgressResponse>)[];
  /** The channel is another worker's. */
  isLeased?: boolean;
  hasChain?: boolean;
  areForgotten?: boolean;
  /** Runs cannot be read. */
  isDown?: boolean;
  mode?: SystemMode;
}

/** Storage and outbox in memory. */
function build(
  { runs, attempts = 0, answers = [{}], isLeased, areForgotten, isDown, hasChain, mode = fakeMode() }: Fakes,
) {
  const requests: EgressRequest[] = [];
  const egress = {
    requests,
    async send(request: EgressRequest): Promise<EgressResponse> {
      const answer = await answers[Math.min(requests.push(request), answers.length) - 1]!;
      if (answer instanceof Error) throw answer;
      return { status: 200, headers: {}, body: "", ...answer };
    },
  };
  const clock = fakeClock();
  const ended: EndedRun[] = [];
  const reported: Record<string, unknown>[] = [];
  const limits: Record<string, number> = {};
  const reads: number[] = [];
  const claims: string[] = [];
  const waiting = runs.map((run, id) => ({ id, kind: "action", payload: { run_id: run.id }, attempts }));
  const storage = {
    // deno-lint-ignore require-await
    readRuns: async (ids: string[]) => {
      if (isDown) throw new DatabaseError("database.unreachable", "no answer", 503);
      reads.push(ids.length);
      const known = areForgotten ? [] : runs;
      return known.filter(({ id }) => ids.includes(id)).map((run) => ({
        ...run,
        ...ended.find(({ id }) => id === run.id),
      }));
    },
    // deno-lint-ignore require-await
    finishRuns: async (list: EndedRun[]) => void ended.push(...list),
  } as unknown as RuleStorage;
  const database = {
    // deno-lint-ignore require-await
    async rpc<T>(name: string, args: Record<string, unknown> = {}): Promise<T> {
      if (name === "finish_outbox") {
        reported.push(...args.p_results as Record<string, unknown>[]);
        return true as T;
      }
      assert.equal(name, "claim_outbox");
      claims.push((args.p_channels as string[])[0]!);
      limits[(args.p_channels as string[])[0]!] = args.p_limit as number;
      const isDue = !isLeased && waiting.length > 0 && (args.p_channels as string[])[0] === "webhook";
      return (isDue ? [{ channel: "webhook", epoch: 1, messages: waiting.splice(0, BATCH) }] : []) as T;
    },
  };
  const logger = recordingLogger();
  const signingKeys = [btoa("a key of thirty-two bytes, or so")];
  const anchor = () => Promise.reject(new Error("no chain is asked here"));
  const { deps } = actionContext({
    database,
    egress,
    clock,
    logger,
    signingKeys,
    mode,
    ...(hasChain && { anchor }),
  });
  return {
    actionRuns: createActionRuns(storage, deps),
    egress,
    ended,
    reported,
    limits,
    reads,
    claims,
    logger,
  };
}

Deno.test("a run is done with the event's values, recorded, and its message delivered", async () => {
  const run = queuedRun();
  const { actionRuns, egress, ended, reported } = build({ runs: [run] });
  await actionRuns.drain();
  assert.deepEqual(egress.requests.map(({ url, body }) => [url, body]), [[webhook.url, '{"lane":1}']]);
  assert.deepEqual(ended, [{ id: run.id, state: "succeeded", result: { status: 200 } }]);
  assert.deepEqual(reported, [{ id: 0, outcome: "delivered" }]);
});

Deno.test("a run that has ended is not done again", async () => {
  const runs = [queuedRun({ state: "succeeded", result: {} }), queuedRun({ state: "failed", error: "x" })];
  const { actionRuns, egress, ended, reported } = build({ runs });
  await actionRuns.drain();
  assert.deepEqual([egress.requests, ended], [[], []]);
  assert.deepEqual(reported.map(({ outcome }) => outcome), ["delivered", "delivered"]);
});

Deno.test("what fails for now waits by itself, longer each time, and at least as long as the receiver asks", async () => {
  for (
    const [attempts, retryAfter, seconds] of [[0, "", 10], [3, "", 80], [0, "120", 120], [
      3,
      "5",
      80,
    ]] as const
  ) {
    const answer: Partial<EgressResponse> = { status: 503, headers: { "retry-after": retryAfter } };
    const { actionRuns, ended, reported } = build({ runs: [queuedRun()], attempts, answers: [answer] });
    await actionRuns.drain();
    assert.deepEqual([ended, reported[0]!.outcome, reported[0]!.retry_after_seconds], [[], "held", seconds]);
    assert.match(String(reported[0]!.error), /^webhook\.unavailable: .*503/);
  }
});

Deno.test("the tenth failure is the last one", async () => {
  const run = queuedRun();
  const { actionRuns, ended, reported } = build({ runs: [run], attempts: 9, answers: [{ status: 503 }] });
  await actionRuns.drain();
  assert.equal(reported[0]!.outcome, "delivered");
  assert.deepEqual([ended[0]!.state, ended[0]!.id], ["failed", run.id]);
  const { error } = ended[0] as { error: string };
  assert.match(error, /^action\.given_up: webhook\.unavailable/);
  assert.doesNotMatch(error, /tried again/);
});

Deno.test("a batch's runs are done side by side, and one that fails holds up no other", async () => {
  const runs = [queuedRun(), queuedRun(), queuedRun()];
  const { actionRuns, ended, reported } = build({ runs, answers: [{ status: 400 }, { status: 503 }, {}] });
  await actionRuns.drain();
  assert.deepEqual(ended.map(({ state }) => state).sort(), ["failed", "succeeded"]);
  assert.deepEqual(reported.map(({ outcome }) => outcome).sort(), ["delivered", "delivered", "held"]);
});

Deno.test("on a chain so few hashes are anchored at a time that the lease does not end before they are", async () => {
  const [onChain, without] = [build({ runs: [], hasChain: true }), build({ runs: [] })];
  await Promise.all([onChain.actionRuns.drain(), without.actionRuns.drain()]);
  assert.deepEqual(onChain.limits, { anchor: 2, webhook: 20, plugin_emit: 20, ledger_allocate: 20 });
  assert.equal(without.limits.anchor, 20);
});

Deno.test("what cannot be done at all fails at once and says why", async () => {
  const large = { lane: "x".repeat(70_000) };
  const cases: [Partial<ActionRun>, RegExp][] = [
    [{ type: "email", action: { type: "email" } }, /^action\.invalid: type email is unknown/],
    [{ action: { type: "webhook" } }, /^action\.invalid: .*url/],
    [{ event: large }, /^template\.too_large: /],
    [{ eventId: "audit_log:5", event: null }, /^event\.gone: Event "audit_log:5" is not stored/],
  ];
  for (const [changes, error] of cases) {
    const { actionRuns, ended, egress } = build({ runs: [queuedRun(changes)] });
    await actionRuns.drain();
    assert.equal(ended[0]!.state, "failed");
    assert.match((ended[0] as { error: string }).error, error);
    assert.deepEqual(egress.requests, []);
  }
});

Deno.test("an action that throws is tried again, and its secrets stay here", async () => {
  const run = queuedRun({
    type: "plugin_emit",
    action: { type: "plugin_emit", pluginId: "p", eventType: "t", payload: {} },
  });
  const { actionRuns, reported, ended } = build({ runs: [run] });
  await actionRuns.drain();
  assert.deepEqual(ended, []);
  assert.match(String(reported[0]!.error), /^internal: This action has no business with plugins/);
  const leaky = build({
    runs: [queuedRun()],
    answers: [new Error("token=canary-1234567890abcdef")],
  });
  await leaky.actionRuns.drain();
  assert.ok(!JSON.stringify([leaky.reported, leaky.logger.lines]).includes("canary"));
});

Deno.test("a message about a run that is forgotten is given up", async () => {
  const { actionRuns, reported } = build({ runs: [queuedRun()], areForgotten: true });
  await actionRuns.drain();
  assert.equal(reported[0]!.outcome, "dead");
  assert.match(String(reported[0]!.error), /^action\.unknown_run: /);
});

Deno.test("who waits for runs gets their results, and the reason of what is tried again", async () => {
  const runs = [queuedRun(), queuedRun()];
  const { actionRuns } = build({ runs, answers: [{}, { status: 503 }] });
  const results = await actionRuns.resultsOf(runs.map(({ id }) => id), ["webhook"], 15_000);
  const [done, held] = runs.map(({ id }) => results.get(id)!);
  assert.deepEqual([done!.state, done!.result], ["succeeded", { status: 200 }]);
  assert.equal(held!.state, "queued");
  assert.match(held!.error!, /^webhook\.unavailable/);
});

Deno.test("who waits for an action that takes long is told that it goes on, and it does", async () => {
  const { promise: answer, resolve } = Promise.withResolvers<EgressResponse>();
  const run = queuedRun();
  const { actionRuns, ended, reported } = build({ runs: [run], answers: [answer] });
  const results = await actionRuns.resultsOf([run.id], ["webhook"], 15_000);
  assert.deepEqual([results.get(run.id)!.state, results.get(run.id)!.error, ended], ["queued", null, []]);
  resolve({ status: 200, headers: {}, body: "" });
  while (reported.length === 0) await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(ended, [{ id: run.id, state: "succeeded", result: { status: 200 } }]);
});

Deno.test("who waits for what another worker is doing waits no longer than he has patience", async () => {
  const runs = [queuedRun()];
  const { actionRuns, egress } = build({ runs, isLeased: true });
  const results = await actionRuns.resultsOf([runs[0]!.id], ["webhook"], 15_000);
  assert.deepEqual([results.get(runs[0]!.id)!.state, results.get(runs[0]!.id)!.error], ["queued", null]);
  assert.deepEqual(egress.requests, []);
});

Deno.test("of two who wait for the same run both are told why it is tried again", async () => {
  const run = queuedRun();
  const { promise: answer, resolve } = Promise.withResolvers<EgressResponse>();
  const { actionRuns } = build({ runs: [run], answers: [answer] });
  const both = [1, 2].map(() => actionRuns.resultsOf([run.id], ["webhook"], 15_000));
  resolve({ status: 503, headers: {}, body: "" });
  for (const results of await Promise.all(both)) {
    assert.match(results.get(run.id)!.error!, /^webhook\.unavailable/);
  }
});

Deno.test("who waits for many runs, each with its event, reads a few at a time", async () => {
  const state = "succeeded" as const;
  const runs = Array.from({ length: 50 }, (_, i) => queuedRun(i < 30 ? { state, result: {} } : {}));
  const { actionRuns, reads } = build({ runs, isLeased: true });
  const results = await actionRuns.resultsOf(runs.map(({ id }) => id), ["webhook"], 100);
  assert.equal([...results.values()].filter(({ state }) => state === "succeeded").length, 30);
  assert.ok(Math.max(...reads) <= 20, String(reads));
});

Deno.test("what fired stays fired when nobody can be asked what came of it", async () => {
  const { actionRuns, logger } = build({ runs: [queuedRun()], isLeased: true, isDown: true });
  const results = await actionRuns.resultsOf([crypto.randomUUID()], ["webhook"], 15_000);
  assert.deepEqual([...results], []);
  assert.equal(logger.lines.length, 1);
});

const claimsOf = (claims: string[], channel: string) => claims.filter((claim) => claim === channel).length;

Deno.test("each send asks for the mode: what safe mode stops is neither sent nor counted, and nothing more is claimed", async () => {
  let asked = 0;
  // The mode changes between the seventh and the eighth run of a batch.
  const mode = { isSafe: () => Promise.resolve(++asked > 7) };
  const runs = Array.from({ length: 45 }, () => queuedRun());
  const { actionRuns, egress, ended, reported, claims } = build({ runs, mode });
  assert.deepEqual(await actionRuns.drain(), { delivered: 7, retry: 0, held: 13, dead: 0 });
  assert.equal(egress.requests.length, 7);
  assert.deepEqual(ended.map(({ id }) => id), runs.slice(0, 7).map(({ id }) => id));
  assert.deepEqual(
    reported.map(({ id, outcome }) => [id, outcome]),
    [0, 1, 2, 3, 4, 5, 6].map((id) => [id, "delivered"]),
  );
  assert.equal(claimsOf(claims, "webhook"), 1);
});

Deno.test("when the mode cannot be read nothing is sent, and the run is tried again", async () => {
  const isSafe = () => Promise.reject(new DatabaseError("database.unreachable", "no answer", 503));
  const { actionRuns, egress, ended, reported } = build({ runs: [queuedRun()], mode: { isSafe } });
  await actionRuns.drain();
  assert.deepEqual([egress.requests, ended, reported[0]!.outcome], [[], [], "held"]);
  assert.match(String(reported[0]!.error), /^database\.unreachable/);
});

Deno.test("what the database refuses to write in safe mode is not tried either", async () => {
  const { actionRuns, ended, reported } = build({
    runs: [queuedRun()],
    answers: [new DatabaseError("safe_mode.active", "ledger_allocations is guarded", 503)],
  });
  await actionRuns.drain();
  assert.deepEqual([ended, reported], [[], []]);
});

Deno.test("whoever waits for a run in safe mode learns at once that it waits", async () => {
  const stopped = queuedRun();
  const known = await build({ runs: [stopped], mode: fakeMode(true) }).actionRuns.resultsOf(
    [stopped.id],
    ["webhook"],
    60_000,
  );
  assert.match(known.get(stopped.id)!.error!, /^safe_mode\.active: /);

  const unclaimed = build({ runs: [stopped], mode: fakeMode(true), isLeased: true });
  const left = await unclaimed.actionRuns.resultsOf([stopped.id], ["webhook"], 60_000);
  assert.deepEqual([left.get(stopped.id)!.state, unclaimed.reads], ["queued", [1]]);
});
