import { deepEqual, equal, match, ok } from "node:assert/strict";
import { z } from "zod";
import { onEvent, type Plugin } from "./plugin.ts";
import { createPluginRegistry, plugins, refusalOf } from "./registry.ts";

const files = [...Deno.readDirSync(new URL(".", import.meta.url))].map(({ name }) => name)
  .filter((name) => !name.endsWith(".test.ts") && !["plugin.ts", "registry.ts", "runtime.ts"].includes(name));

Deno.test("every file in the folder is a plugin, registered under the file's name", () => {
  deepEqual(plugins.map(({ id }) => `${id}.ts`).sort(), files.sort());
});

Deno.test("every plugin says what it is for and handles at least one type of event", () => {
  for (const { id, description, events } of plugins) {
    match(id, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
    match(description, /^[A-Z].{10,150}\.$/, id);
    ok(Object.keys(events).length > 0, id);
    for (const [eventType, event] of Object.entries(events)) {
      match(eventType, /^[a-z][a-z0-9_.]{0,99}$/, id);
      equal(typeof event.handle, "function", `${id} ${eventType}`);
    }
  }
});

Deno.test("the shape of every plugin's payload can be shown as JSON Schema of an object", () => {
  const registry = createPluginRegistry();
  for (const { id, events } of plugins) {
    const { eventTypes } = registry.get(id)!;
    deepEqual(Object.keys(eventTypes), Object.keys(events));
    for (const schema of Object.values(eventTypes)) equal(schema.type, "object", id);
  }
});

const registry = createPluginRegistry();

Deno.test("a payload that fits has no problem", () => {
  deepEqual(registry.problems("quality-monitor", "degrade", { suggestedQuality: "1080p" }), []);
});

Deno.test("what does not fit is said with its place in the payload", () => {
  deepEqual(registry.problems("quality-monitor", "degrade", { suggestedQuality: "8K" }), [
    'payload.suggestedQuality: Invalid option: expected one of "4K"|"1440p"|"1080p"|"720p"|"480p"',
  ]);
  deepEqual(registry.problems("quality-monitor", "degrade", { suggestedQuality: "1080p", lane: 1 }), [
    'payload: Unrecognized key: "lane"',
  ]);
  deepEqual(registry.problems("quality-monitor", "degrade", null), [
    "payload: Invalid input: expected object, received null",
  ]);
});

Deno.test("an unknown plugin and an event it does not handle are problems that say what there is", () => {
  deepEqual(registry.problems("nobody", "degrade", {}), [
    'there is no plugin "nobody"; there are: quality-monitor',
  ]);
  deepEqual(registry.problems("quality-monitor", "explode", {}), [
    'the plugin quality-monitor handles no event "explode"; it handles: degrade',
  ]);
});

Deno.test("names that every object has are no plugins and no events", () => {
  for (const name of ["__proto__", "constructor", "toString"]) {
    equal(registry.get(name), undefined);
    equal(registry.problems(name, "degrade", {}).length, 1, name);
    equal(registry.problems("quality-monitor", name, {}).length, 1, name);
  }
});

Deno.test("each reason to refuse an event has a code", () => {
  const codeOf = (pluginId: string, eventType: string, payload: unknown) =>
    refusalOf(registry, { pluginId, eventType, payload })?.split(":")[0];
  equal(codeOf("nobody", "degrade", {}), "plugin.unknown");
  equal(codeOf("quality-monitor", "explode", {}), "plugin.event_unknown");
  equal(codeOf("quality-monitor", "degrade", {}), "plugin.payload_invalid");
  equal(codeOf("quality-monitor", "degrade", { suggestedQuality: "480p" }), undefined);
});

Deno.test("a handler gets what its schema made of the payload", async () => {
  const plugin: Plugin = {
    id: "test",
    description: "Trims.",
    events: { said: onEvent(z.object({ text: z.string().trim() }), ({ text }) => text) },
  };
  const { schema, handle } = plugin.events.said!;
  const context = { runId: "r", signal: new AbortController().signal };
  equal(await handle(schema.parse({ text: " hello " }), context), "hello");
});

Deno.test("the quality monitor caps a stream at the suggested quality", () => {
  const context = { runId: "r", signal: new AbortController().signal };
  deepEqual(plugins[0]!.events.degrade!.handle({ suggestedQuality: "1080p" }, context), {
    maxQuality: "1080p",
    allowedQualities: ["1080p", "720p", "480p"],
  });
});
