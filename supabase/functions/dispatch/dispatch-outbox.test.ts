import assert from "node:assert/strict";
import { type EgressRequest, type EgressResponse } from "../_shared/ports.ts";
import { dispatchOutbox } from "./dispatch-outbox.ts";

const URLS = { slack: "https://hooks.slack.example/1", teams: "https://teams.example/1" };
const PAGER = { url: "https://pager.example/v2/enqueue", routingKey: "0123456789abcdef0123456789abcdef" };
const ATTEMPT = { service_name: "crm", action_taken: "Repeating the call", retry_count: 1 };
const OK: EgressResponse = { status: 200, headers: {}, body: "ok" };

interface FakeOptions {
  urls?: Record<string, string>;
  pager?: typeof PAGER | null;
  /** The channel that has messages, and these, batch by batch. */
  channel?: string;
  batches?: { id: number; kind: string; payload: unknown; attempts: number }[][];
  answer?: (request: EgressRequest) => Promise<EgressResponse> | EgressResponse;
  leaseLost?: boolean;
}

/** The outbox and the receivers in memory, with everything that they were asked. */
function fakes(
  { urls = URLS, pager = PAGER, channel = "slack", batches = [], answer = () => OK, leaseLost = false }:
    FakeOptions,
) {
  const calls: { name: string; args: Record<string, unknown> }[] = [];
  const sent: EgressRequest[] = [];
  let now = 0;
  const deps: Parameters<typeof dispatchOutbox>[0] = {
    urls,
    pager,
    projectHost: "abc.supabase.co",
    dashboardUrl: null,
    clock: { now: () => now, sleep: () => Promise.reject(new Error("nothing here waits")) },
    logger: { info() {}, warn() {}, error() {} },
    egress: {
      async send(request) {
        sent.push(request);
        return await answer(request);
      },
    },
    database: {
      // deno-lint-ignore require-await
      async rpc<T>(name: string, args: Record<string, unknown> = {}) {
        calls.push({ name, args });
        if (name === "reject_outbox") return 2 as T;
        if (name === "finish_outbox") return !leaseLost as T;
        const messages = (args.p_channels as string[])[0] === channel ? batches.shift() : undefined;
        return (messages ? [{ channel, epoch: 7, messages }] : []) as T;
      },
    },
  };
  const finished = () => calls.filter((call) => call.name === "finish_outbox").map((call) => call.args);
  return { deps, calls, sent, finished, advance: (milliseconds: number) => void (now += milliseconds) };
}

function message(id: number, payload: unknown = ATTEMPT, attempts = 0) {
  return { id, kind: "attempt", payload, attempts };
}

Deno.test("messages are sent as JSON to their channel and reported with the lease's epoch", async () => {
  const { deps, sent, finished } = fakes({ batches: [[message(1), message(2)]] });
  const result = await dispatchOutbox(deps);
  assert.deepEqual(result, {
    ...{ success: true, delivered_count: 2, retry_count: 0, dead_count: 0 },
    unconfigured: [],
  });
  assert.deepEqual(
    sent.map(({ url, method, headers }) => ({ url, method, headers })),
    [1, 2].map(() => ({
      ...{ url: URLS.slack, method: "POST" },
      headers: { "content-type": "application/json" },
    })),
  );
  assert.match(sent[0]!.body!, /Recovery Attempt.*crm/);
  assert.deepEqual(finished(), [{
    p_channel: "slack",
    p_epoch: 7,
    p_results: [{ id: 1, outcome: "delivered" }, { id: 2, outcome: "delivered" }],
  }]);
});

Deno.test("it goes on until nothing is due", async () => {
  const { deps } = fakes({ batches: [[message(1)], [message(2)], [message(3)]] });
  assert.equal((await dispatchOutbox(deps)).delivered_count, 3);
});

Deno.test("a message that cannot be worded is given up and does not hold up those behind it", async () => {
  const { deps, finished } = fakes({ batches: [[message(1, { service_name: 5 }), message(2)]] });
  const result = await dispatchOutbox(deps);
  assert.deepEqual([result.success, result.dead_count, result.delivered_count], [false, 1, 1]);
  const [first] = finished()[0]!.p_results as { outcome: string; error: string }[];
  assert.equal(first!.outcome, "dead");
  assert.match(first!.error, /^message\.invalid: .*service_name/s);
});

Deno.test("after a failure nothing overtakes the message that failed", async () => {
  const { deps, sent, finished } = fakes({
    batches: [[message(1), message(2), message(3)], [message(4)]],
    answer: () => sent.length === 2 ? { status: 503, headers: {}, body: "" } : OK,
  });
  const result = await dispatchOutbox(deps);
  assert.deepEqual([result.delivered_count, result.retry_count, sent.length], [1, 1, 2]);
  assert.deepEqual(finished()[0]!.p_results, [
    { id: 1, outcome: "delivered" },
    { id: 2, outcome: "retry", error: "HTTP 503", retry_after_seconds: 10 },
  ]);
});

Deno.test("a worker that lost its lease stops", async () => {
  const { deps, finished } = fakes({ batches: [[message(1)], [message(2)]], leaseLost: true });
  await dispatchOutbox(deps);
  assert.equal(finished().length, 1);
});

Deno.test("no batch is started when time is up", async () => {
  const { deps, sent, advance } = fakes({
    batches: [[message(1)], [message(2)]],
    answer: () => (advance(80_000), OK),
  });
  await dispatchOutbox(deps);
  assert.equal(sent.length, 1);
});

Deno.test("a page is sent to PagerDuty's endpoint with the key and the project's name", async () => {
  const payload = {
    action: "resolve",
    incident_id: 12,
    dedup_key: "invariant:A",
    priority: "P1",
    title: "A is violated",
  };
  const { deps, sent, finished } = fakes({
    channel: "pagerduty",
    batches: [[{
      id: 1,
      kind: "page",
      payload: { ...payload, opened_at: "2026-11-20T19:30:00Z" },
      attempts: 0,
    }]],
    answer: () => ({ status: 202, headers: {}, body: '{"status":"success","message":"Event processed"}' }),
  });
  assert.equal((await dispatchOutbox(deps)).delivered_count, 1);
  assert.deepEqual(sent.map(({ url, body }) => [url, JSON.parse(body!)]), [[PAGER.url, {
    ...{ routing_key: PAGER.routingKey, event_action: "resolve" },
    dedup_key: "abc.supabase.co:invariant:A",
  }]]);
  assert.deepEqual(finished()[0]!.p_results, [{ id: 1, outcome: "delivered" }]);
});

Deno.test("channels without a URL or key are reported and their messages become dead letters", async () => {
  const { deps, calls } = fakes({ urls: { slack: URLS.slack }, pager: null });
  const result = await dispatchOutbox(deps);
  assert.deepEqual(result, {
    ...{ success: false, delivered_count: 0, retry_count: 0, dead_count: 2 },
    unconfigured: ["teams", "pagerduty"],
  });
  assert.deepEqual(calls.map(({ name, args }) => [name, args.p_channels]), [
    ["reject_outbox", ["teams", "pagerduty"]],
    ["claim_outbox", ["slack"]],
  ]);
});
