import { deepEqual, equal, match } from "node:assert/strict";
import { EgressError } from "../../ports.ts";
import { type FakeAnswer, fakeEgress } from "../../testing/fake-egress.ts";
import { createPluginRuntime } from "./runtime.ts";

const emission = { pluginId: "p", eventType: "e", payload: { a: 1 }, runId: "r" };
const token = "an-internal-token-for-tests";

async function emit(answer: FakeAnswer) {
  const egress = fakeEgress(answer);
  const runtime = createPluginRuntime({ egress, projectUrl: "https://x.example", internalToken: token });
  return { outcome: await runtime.emit(emission, 1_234), request: egress.requests[0]! };
}

Deno.test("an event goes to the function plugins with the internal token and the caller's time limit", async () => {
  const { request } = await emit({ body: '{"state":"handled","result":null}' });
  equal(request.url, "https://x.example/functions/v1/plugins");
  equal(request.method, "POST");
  equal(request.timeoutMs, 1_234);
  equal(request.headers!["x-internal-token"], token);
  deepEqual(JSON.parse(request.body!), emission);
});

Deno.test("what the function answers is the outcome", async () => {
  for (
    const outcome of [
      { state: "handled", result: { cap: "1080p" } },
      { state: "failed", error: "plugin.threw: no" },
      { state: "unreachable", error: "plugin.timeout: slow" },
    ]
  ) deepEqual((await emit({ body: JSON.stringify(outcome) })).outcome, outcome);
});

Deno.test("without an answer of the function nobody knows what the plugin did", async () => {
  const answers: [answer: FakeAnswer, reason: RegExp][] = [
    [new EgressError("egress.timeout", "x.example did not answer", true), /egress\.timeout/],
    [new EgressError("egress.connection", "The connection failed", false), /egress\.connection/],
    [{ status: 500, body: '{"code":"WORKER_ERROR"}' }, /status 500/],
    [{ status: 401, body: "{}" }, /status 401/],
    [{ status: 404, body: "{}" }, /status 404/],
    [{ status: 504, body: "" }, /status 504/],
    [{ body: "<html>" }, /not one of this product/],
    [{ body: '{"state":"succeeded"}' }, /not one of this product/],
  ];
  for (const [answer, reason] of answers) {
    const { outcome } = await emit(answer);
    equal(outcome.state, "unreachable");
    match((outcome as { error: string }).error, /^plugin\.unreachable: /);
    match((outcome as { error: string }).error, reason);
  }
});
