/** Plugins that misbehave in every way, in the real function on a real stack, called as rules call them. */
import { deepEqual, equal, match } from "node:assert/strict";
import { testProject } from "../../../scripts/testing/project.ts";
import { testStack } from "../../../scripts/testing/stack.ts";
import { createEgress } from "../_shared/adapters/egress.ts";
import type { PluginOutcome, PluginRuntime } from "../_shared/ports.ts";
import { createPluginRuntime } from "../_shared/rules/plugins/runtime.ts";

const here = (path: string) => new URL(path, import.meta.url).href;

/** The product's function with plugins of the test's own. */
const source = `
import { createPluginsEndpoint } from "${here("endpoint.ts")}";
import { onEvent } from "${here("../_shared/rules/plugins/plugin.ts")}";
import { z } from "zod";
const on = (handle: (payload: any) => unknown) => ({ go: onEvent(z.any(), handle) });
export default { fetch: createPluginsEndpoint([
  { id: "good", description: "", events: on((payload) => ({ payload })) },
  { id: "measures", description: "", events: on((payload) => payload.length) },
  { id: "throws", description: "", events: on(() => { throw new Error("no"); }) },
  { id: "throws-later", description: "", events: on(() => {
    setTimeout(() => { throw new Error("behind your back"); }, 1);
    return new Promise(() => {});
  }) },
  { id: "rejects-unheard", description: "", events: on(() => {
    Promise.reject(new Error("nobody listens"));
    return new Promise(() => {});
  }) },
  { id: "waits", description: "", events: on(() => new Promise(() => {})) },
  { id: "loops", description: "", events: on(() => { for (;;); }) },
  { id: "exits", description: "", events: on(() => Deno.exit(0)) },
], { timeLimitMs: 500, mode: { isSafe: () => Promise.resolve(false) } }) };
`;
const project = await testProject({
  "config.toml": "[functions.plugins]\nverify_jwt = false\n",
  "functions/plugins/index.ts": source,
  // The libraries of the product's functions.
  "../deno.json": await Deno.readTextFile(new URL("../deno.json", import.meta.url)),
});
const stack = await testStack({}, { project: project.folder, timeLimitMs: 4_000 });
Deno.test.afterAll(async () => {
  await stack.stop();
  await project.remove();
});

const own = await testStack();
Deno.test.afterAll(() => own.stop());

function runtimeOf({ url, env }: typeof stack): PluginRuntime {
  const egress = createEgress({ privateHosts: [new URL(url).host] });
  return createPluginRuntime({ egress, projectUrl: url, internalToken: env.INTERNAL_WEBHOOK_TOKEN! });
}

function emit(pluginId: string, payload: unknown = null, timeoutMs = 10_000): Promise<PluginOutcome> {
  return runtimeOf(stack).emit({ pluginId, eventType: "go", payload, runId: "run-1" }, timeoutMs);
}

const errorOf = (outcome: PluginOutcome) => "error" in outcome ? outcome.error : JSON.stringify(outcome);

Deno.test("the function as it is deployed runs the project's plugins", async () => {
  const outcome = await runtimeOf(own).emit({
    pluginId: "quality-monitor",
    eventType: "degrade",
    payload: { suggestedQuality: "720p" },
    runId: "run-1",
  }, 10_000);
  deepEqual(outcome, {
    state: "handled",
    result: { maxQuality: "720p", allowedQualities: ["720p", "480p"] },
  });
});

Deno.test("only internal callers and holders of a secret key emit", async () => {
  const body = '{"pluginId":"good","eventType":"go","payload":1,"runId":"r"}';
  const call = async (headers: Record<string, string>) => {
    const response = await fetch(`${stack.url}/functions/v1/plugins`, { method: "POST", headers, body });
    await response.body?.cancel();
    return response.status;
  };
  equal(await call({}), 401);
  equal(await call({ apikey: stack.secrets.publishableKey }), 401);
  equal(await call({ "x-internal-token": "wrong-wrong-wrong-wrong" }), 401);
  equal(await call({ apikey: stack.secrets.secretKey }), 200);
});

Deno.test("a payload arrives as it was sent, up to 64 kB", async () => {
  const payload = JSON.parse('{"a": [1, null, "{{event}}", "€"], "__proto__": {"admin": true}}');
  deepEqual(await emit("good", payload), { state: "handled", result: { payload } });
  const large = "x".repeat(64 * 1024 - 2);
  deepEqual(await emit("measures", large), { state: "handled", result: large.length });
});

Deno.test("a plugin that throws has failed, one that waits for ever is cut off; the others go on", async () => {
  const [thrown, waited, good] = await Promise.all([emit("throws"), emit("waits"), emit("good", 1)]);
  deepEqual(thrown, { state: "failed", error: "plugin.threw: Error: no" });
  equal(waited.state, "unreachable");
  match(errorOf(waited), /^plugin\.timeout/);
  deepEqual(good, { state: "handled", result: { payload: 1 } });
});

Deno.test("a plugin that brings its process down is unreachable, and the next one meets a new process", async () => {
  for (const pluginId of ["throws-later", "rejects-unheard", "exits"]) {
    const outcome = await emit(pluginId);
    equal(outcome.state, "unreachable", `${pluginId}: ${errorOf(outcome)}`);
    match(errorOf(outcome), /^plugin\.unreachable/);
    equal((await emit("good", 1)).state, "handled", pluginId);
  }
});

Deno.test("a plugin that never lets go costs its caller no more than the time limit, and others a retry", async () => {
  const outcome = await emit("loops", null, 1_000);
  match(errorOf(outcome), /^plugin\.unreachable.*egress\.timeout/);
  let other: PluginOutcome;
  do other = await emit("good", 1, 1_000); while (other.state === "unreachable");
  deepEqual(other, { state: "handled", result: { payload: 1 } });
});
