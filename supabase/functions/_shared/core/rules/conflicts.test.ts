import assert from "node:assert/strict";
import { type ConflictWarning, createConflictWatch, type RenderedAction } from "./conflicts.ts";

const MINUTE_MS = 60_000;
const hook = (alert: string, url = "https://a.example/hook") => ({
  type: "webhook",
  url,
  payload: { alert },
});

/** What each minute's event makes rules do, as `{rule: actions}`; `tested` is the rule that is tested. */
function warningsOf(minutes: Record<string, RenderedAction | RenderedAction[]>[], apart = 1) {
  const watch = createConflictWatch("tested");
  minutes.forEach((firings, i) => {
    const list = Object.entries(firings).map(([ruleId, actions]) => ({ ruleId, actions: [actions].flat() }));
    watch.see({ id: `event-${i}`, at: i * apart * MINUTE_MS }, list);
  });
  return watch.warnings();
}

const short = ({ kind, ruleId, target, count, eventId }: ConflictWarning) =>
  [kind, ruleId, target, count, eventId].join(" | ");

Deno.test("two rules that tell one webhook different things on the same event contradict each other", () => {
  const both = { tested: hook("degrade"), other: hook("restore") };
  assert.deepEqual(warningsOf([{}, both, { tested: hook("degrade") }, both]).map(short), [
    "contradiction | other | webhook https://a.example/hook | 2 | event-1",
  ]);
});

Deno.test("rules that say the same, or speak to different targets, do not contradict each other", () => {
  assert.deepEqual(warningsOf([{ tested: hook("degrade"), other: hook("degrade") }]), []);
  assert.deepEqual(warningsOf([{ tested: hook("a"), other: hook("b", "https://b.example") }]), []);
});

Deno.test("plugins and ledger events are targets, anchored hashes are none", () => {
  const emit = (eventType: string) => ({ type: "plugin_emit", pluginId: "quality", eventType });
  const split = (share: string) => ({ type: "ledger_allocate", ledgerEventId: "7", allocations: [share] });
  const anchor = (eventHash: string) => ({ type: "anchor", eventHash });
  const warnings = warningsOf([{
    tested: [emit("up"), split("a"), anchor("a")],
    other: [emit("down"), split("b"), anchor("b")],
  }]);
  assert.deepEqual(warnings.map(({ target }) => target), ["plugin_emit quality", "ledger_allocate 7"]);
});

Deno.test("rules that split many ledger events in different ways are one warning, not one for each", () => {
  const split = (id: number, share: string) => ({
    ...{ type: "ledger_allocate", ledgerEventId: `id-${id}` },
    allocations: [share],
  });
  const minutes = [1, 2, 3].map((id) => ({ tested: split(id, "a"), other: split(id, "b") }));
  assert.deepEqual(warningsOf(minutes).map(short), [
    "contradiction | other | ledger_allocate id-1 | 3 | event-0",
  ]);
});

Deno.test("the rest of a rule's actions on a target count as what it says there", () => {
  const twice = [hook("a"), hook("b")];
  assert.deepEqual(warningsOf([{ tested: twice, other: twice }]), []);
  assert.equal(warningsOf([{ tested: twice, other: [hook("a")] }]).length, 1);
});

const down = { tested: hook("1080p") };
const up = { other: hook("4K") };

Deno.test("rules that take four turns on one target within an hour flip-flop, whoever begins", () => {
  assert.deepEqual(warningsOf([down, up, down, up]), []);
  assert.deepEqual(warningsOf([down, up, down, up, down]).map(short), [
    "flip_flop | other | webhook https://a.example/hook | 1 | event-4",
  ]);
  assert.deepEqual(warningsOf([up, down, up, down, up]).map(short), [
    "flip_flop | other | webhook https://a.example/hook | 1 | event-4",
  ]);
});

Deno.test("turns that take longer than an hour are no flip-flop", () => {
  assert.deepEqual(warningsOf([down, up, down, up, down, up, down], 20), []);
  assert.equal(warningsOf([down, up, down, up, down], 19).length, 1);
});

Deno.test("a rule that fires again before the other one does takes no turn", () => {
  assert.deepEqual(warningsOf([down, down, down, up, up, down, down, up, up]), []);
});

Deno.test("rules that take turns with the same content change nothing, and do not flip-flop", () => {
  const same = { other: hook("1080p") };
  assert.deepEqual(warningsOf([down, same, down, same, down, same]), []);
});

Deno.test("rules that always fire together contradict each other, and do not flip-flop", () => {
  const both = { ...down, ...up };
  assert.deepEqual(warningsOf([both, both, both, both, both, both]).map(({ kind, count }) => [kind, count]), [
    ["contradiction", 6],
  ]);
});

Deno.test("each other rule is watched by itself", () => {
  const [a, b] = [{ a: hook("4K") }, { b: hook("8K") }];
  assert.deepEqual(warningsOf([down, a, down, b, down]), []);
  assert.deepEqual(
    warningsOf([down, { ...a, ...b }, down, { ...a, ...b }, down]).map(({ ruleId }) => ruleId),
    [
      "a",
      "b",
    ],
  );
});
