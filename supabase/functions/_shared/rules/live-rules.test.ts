import assert from "node:assert/strict";
import { recordingLogger } from "../testing/recording-logger.ts";
import { createLiveRules } from "./live-rules.ts";
import type { StoredRule } from "./storage.ts";

const stored = (id: string, value: unknown, operator = "eq") =>
  ({ id, status: "active", priority: 0, condition: { field: "a", operator, value } }) as StoredRule;

/** Rules in memory whose version grows with every change; `overtaken` makes the next load answer when told. */
function build(rules: StoredRule[]) {
  const state = { version: 1, rules, loads: [] as (number | null)[] };
  const logger = recordingLogger();
  let gate: Promise<void> = Promise.resolve();
  const live = createLiveRules({
    async load(known) {
      state.loads.push(known);
      const { version, rules } = state;
      await gate;
      return { version, rules: known === version ? null : rules };
    },
  }, logger);
  const change = (rules: StoredRule[]) => Object.assign(state, { rules, version: state.version + 1 });
  return { live, state, logger, change, hold: (until: Promise<void>) => void (gate = until) };
}

const ids = (rules: readonly { id: string }[]) => rules.map(({ id }) => id);

Deno.test("a change is taken over by the next reload, and nothing is loaded twice", async () => {
  const { live, state, change } = build([stored("one", 1)]);
  await live.reload();
  await live.reload();
  assert.deepEqual(ids(live.match({ a: 1 })), ["one"]);
  change([stored("one", 2), stored("two", 2)]);
  assert.deepEqual(ids(live.match({ a: 1 })), ["one"]);
  await live.reload();
  assert.deepEqual([ids(live.match({ a: 1 })), ids(live.match({ a: 2 }))], [[], ["one", "two"]]);
  assert.deepEqual(state.loads, [null, 1, 1]);
});

Deno.test("while rules are loaded the old ones go on, and an answer that was overtaken changes nothing", async () => {
  const { live, change, hold } = build([stored("old", 1)]);
  await live.reload();
  change([stored("newer", 1)]);
  const { promise, resolve } = Promise.withResolvers<void>();
  hold(promise);
  const overtaken = live.reload();
  assert.deepEqual(ids(live.match({ a: 1 })), ["old"]);
  hold(Promise.resolve());
  change([stored("newest", 1)]);
  await live.reload();
  resolve();
  await overtaken;
  assert.deepEqual(ids(live.match({ a: 1 })), ["newest"]);
});

Deno.test("the rules of a database that was restored replace those that came later", async () => {
  const { live, state } = build([stored("lost", 1)]);
  state.version = 9;
  await live.reload();
  Object.assign(state, { version: 4, rules: [stored("restored", 1)] });
  await live.reload();
  assert.deepEqual(ids(live.match({ a: 1 })), ["restored"]);
});

Deno.test("a rule that cannot be evaluated is left out and shown, until it is mended", async () => {
  const { live, change, logger } = build([stored("bad", "(?<=a)b", "matches"), stored("good", 1)]);
  await live.reload();
  assert.deepEqual(ids(live.match({ a: 1 })), ["good"]);
  assert.deepEqual(ids(live.rules()), ["good"]);
  const [{ ruleId, errors }] = live.unusable() as [{ ruleId: string; errors: string[] }];
  assert.equal(ruleId, "bad");
  assert.match(errors[0]!, /^Operator matches /);
  assert.deepEqual(logger.lines.filter(({ level }) => level === "error").map(({ event }) => event), [
    "rule.unusable",
  ]);
  change([stored("bad", "b", "matches"), stored("good", 1)]);
  await live.reload();
  assert.deepEqual([ids(live.match({ a: "abc" })), live.unusable()], [["bad"], []]);
});
