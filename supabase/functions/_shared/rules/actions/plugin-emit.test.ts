import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { PluginOutcome, PluginRuntime } from "../../ports.ts";
import { actionContext } from "../../testing/action-context.ts";
import { createPluginRegistry } from "../plugins/registry.ts";
import { type PluginEmit, pluginEmit } from "./plugin-emit.ts";

const pluginRegistry = createPluginRegistry();
const checkDeps = { pluginRegistry, projectUrl: "https://x.example" };
const degrade: PluginEmit = {
  type: "plugin_emit",
  pluginId: "quality-monitor",
  eventType: "degrade",
  payload: { suggestedQuality: "1080p" },
};

type Emitted = Parameters<PluginRuntime["emit"]>;

async function run(definition: PluginEmit, answer: PluginOutcome) {
  const emitted: Emitted[] = [];
  const pluginRuntime: PluginRuntime = {
    emit: (...args) => {
      emitted.push(args);
      return Promise.resolve(answer);
    },
  };
  const context = actionContext({ pluginRegistry, pluginRuntime }, { id: "run-1" });
  return { outcome: await pluginEmit.run(definition, context), emitted };
}

Deno.test("an emission that its plugin takes is in order", () => {
  ok(pluginEmit.schema.safeParse(degrade).success);
  deepEqual(pluginEmit.check(degrade, checkDeps), []);
});

Deno.test("a definition with an unknown key is refused", () => {
  equal(pluginEmit.schema.safeParse({ ...degrade, pluginID: "x" }).success, false);
  equal(pluginEmit.schema.safeParse({ ...degrade, eventType: "" }).success, false);
});

Deno.test("an unknown plugin, event or payload is found before the rule is saved", () => {
  match(pluginEmit.check({ ...degrade, pluginId: "nobody" }, checkDeps)[0]!, /^there is no plugin "nobody"/);
  match(pluginEmit.check({ ...degrade, eventType: "x" }, checkDeps)[0]!, /handles no event "x"/);
  match(pluginEmit.check({ ...degrade, payload: {} }, checkDeps)[0]!, /^payload\.suggestedQuality: /);
  match(pluginEmit.check({ ...degrade, payload: undefined }, checkDeps)[0]!, /^payload\.suggestedQuality: /);
});

Deno.test("a payload with templates is not judged before it is rendered, its plugin is", () => {
  const payload = { suggestedQuality: "{{event.quality}}" };
  deepEqual(pluginEmit.check({ ...degrade, payload }, checkDeps), []);
  equal(pluginEmit.check({ ...degrade, payload, pluginId: "nobody" }, checkDeps).length, 1);
  equal(pluginEmit.check({ ...degrade, payload, eventType: "x" }, checkDeps).length, 1);
});

Deno.test("a simulation shows what would be emitted, and why the plugin would refuse it", () => {
  const { type: _, ...shown } = degrade;
  deepEqual(pluginEmit.simulate(degrade, checkDeps), { simulated: true, ...shown });
  const refused = pluginEmit.simulate({ ...degrade, payload: { suggestedQuality: null } }, checkDeps);
  equal((refused.problems as string[]).length, 1);
});

Deno.test("what the plugin returned is recorded; the run's id makes a repetition known to it", async () => {
  const { outcome, emitted } = await run(degrade, { state: "handled", result: { maxQuality: "1080p" } });
  deepEqual(outcome, {
    state: "succeeded",
    result: { pluginId: "quality-monitor", eventType: "degrade", result: { maxQuality: "1080p" } },
  });
  const { type: _, ...emission } = degrade;
  deepEqual(emitted, [[{ ...emission, runId: "run-1" }, 10_000]]);
});

Deno.test("a payload that the event made unfit is refused for good, and not sent", async () => {
  const { outcome, emitted } = await run({ ...degrade, payload: { suggestedQuality: null } }, {
    state: "handled",
    result: null,
  });
  equal(outcome.state, "failed");
  match((outcome as { error: string }).error, /^plugin\.payload_invalid: payload\.suggestedQuality: /);
  deepEqual(emitted, []);
});

Deno.test("a plugin that threw, or did not answer, is tried again", async () => {
  const answers: PluginOutcome[] = [
    { state: "failed", error: "plugin.threw: no" },
    { state: "unreachable", error: "plugin.unreachable: gone" },
  ];
  for (const answer of answers) {
    const { outcome } = await run(degrade, answer);
    deepEqual(outcome, { state: "retry", error: (answer as { error: string }).error });
  }
});
