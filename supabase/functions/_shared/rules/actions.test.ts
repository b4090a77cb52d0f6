import assert from "node:assert/strict";
import { z } from "zod";
import { actionContext } from "../testing/action-context.ts";
import { actionOf, actions } from "./actions.ts";
import { renderAction } from "./render-action.ts";
import { createPluginRegistry } from "./plugins/registry.ts";

/** A definition of each type that is complete and has everything that is optional. */
const examples: Record<string, Record<string, unknown>> = {
  anchor: { type: "anchor", eventHash: "{{event}}", metadata: "why" },
  webhook: {
    ...{ type: "webhook", url: "https://alerts.example.com/webhook" },
    payload: { alert: "High latency" },
    encryption: { enabled: true },
  },
  plugin_emit: {
    ...{ type: "plugin_emit", pluginId: "quality-monitor", eventType: "degrade" },
    payload: { suggestedQuality: "1080p" },
  },
  ledger_allocate: {
    type: "ledger_allocate",
    ledgerEventId: "{{event.ledgerEventId}}",
    allocations: [{ bucket: "artist", share: 0.7 }, { bucket: "platform", share: 0.3 }],
  },
};

const deps = () => actionContext({ pluginRegistry: createPluginRegistry() }).deps;

Deno.test("there are the four types of the rules engine, each once", () => {
  assert.deepEqual(actions.map(({ type }) => type).sort(), Object.keys(examples).sort());
});

for (const action of actions) {
  const example = examples[action.type]!;

  Deno.test(`${action.type} takes a complete definition as it is and finds nothing wrong with it`, () => {
    const definition = action.schema.parse(example);
    assert.deepEqual(definition, example);
    assert.deepEqual(action.check(definition, deps()), []);
  });

  Deno.test(`${action.type} refuses unknown keys, other types and what is missing`, () => {
    assert.ok(!action.schema.safeParse({ ...example, typo: 1 }).success);
    assert.ok(!action.schema.safeParse({ ...example, type: "other" }).success);
    assert.ok(!action.schema.safeParse({ type: action.type }).success);
    for (const nothing of [null, [], "text", 5, undefined]) {
      assert.ok(!action.schema.safeParse(nothing).success);
    }
  });

  Deno.test(`${action.type} simulates without touching anything, and says so`, () => {
    const { simulated, ...told } = action.simulate(action.schema.parse(example), deps());
    assert.equal(simulated, true);
    const { type: _type, ...shown } = example;
    assert.deepEqual({ ...told, ...shown }, told);
  });

  Deno.test(`${action.type} has a JSON Schema for editors`, () => {
    const schema = z.toJSONSchema(action.schema, { io: "input", unrepresentable: "any" });
    assert.equal((schema.properties!.type as { const: string }).const, action.type);
    assert.equal(schema.additionalProperties, false);
  });
}

for (const action of actions) {
  Deno.test(`${action.type} does nothing that others notice before it was allowed to`, async () => {
    const begun = { transactionId: "0x", rawTransaction: "0x", begunAt: "" };
    const complete = () => Promise.reject(new Error("Sent without having asked"));
    const context = actionContext({
      pluginRegistry: createPluginRegistry(),
      signingKeys: [btoa("a key of thirty-two bytes, or so")],
      anchor: () => Promise.resolve({ begin: () => Promise.resolve(begun), complete }),
    });
    const event = { ledgerEventId: crypto.randomUUID() };
    const { encryption: _plain, ...example } = examples[action.type]!;
    const rendered = renderAction(action.schema.parse(example), event);
    const stopped = new Error("not now");
    const run = action.run(rendered, { ...context, event, beforeEffect: () => Promise.reject(stopped) });
    await assert.rejects(run, stopped);
  });
}

Deno.test("an action is found by its type only", () => {
  assert.equal(actionOf("webhook")?.type, "webhook");
  for (const other of ["__proto__", "Webhook", undefined, {}]) assert.equal(actionOf(other), undefined);
});
