import assert from "node:assert/strict";
import { BrokenRun, type Figure, median, requireEqual, toTable } from "./figure.ts";

const figure = { what: "intake", unit: "reports/s", ours: 1_234.56, peer: 200, peerIs: "naive" } as const;
const lines = (...figures: Figure[]) => toTable(figures).split("\n");

Deno.test("a ratio above one is in our favour, whether more or less is better", () => {
  assert.match(lines({ ...figure, better: "more" })[2]!, /6\.17 ×/);
  assert.match(lines({ ...figure, better: "less" })[2]!, /0\.162 ×/);
});

Deno.test("an aim that was not reached is marked", () => {
  assert.match(lines({ ...figure, better: "more", aim: 5 })[2]!, /≥ 5 × \|$/);
  assert.match(lines({ ...figure, better: "more", aim: 7 })[2]!, /≥ 7 × \(missed\) \|$/);
});

Deno.test("a goal is a value of our own to reach, whatever the peer's is", () => {
  assert.match(lines({ ...figure, better: "more", goal: 1_000 })[2]!, /≥ 1,000 reports\/s \|$/);
  assert.match(lines({ ...figure, better: "more", goal: 2_000 })[2]!, /≥ 2,000 reports\/s \(missed\) \|$/);
  assert.match(lines({ ...figure, better: "less", goal: 2_000 })[2]!, /≤ 2,000 reports\/s \|$/);
  assert.match(lines({ ...figure, better: "less", goal: 1_000 })[2]!, /≤ 1,000 reports\/s \(missed\) \|$/);
});

Deno.test("the report is a Markdown table with one line for each figure", () => {
  const table = lines({ ...figure, better: "more" }, { ...figure, better: "less" });
  assert.equal(table.length, 4);
  assert.ok(table.every((line) => line.split("|").length === 7));
});

Deno.test("counts that do not match break a run", () => {
  requireEqual("rows", 2, 2);
  assert.throws(() => requireEqual("rows", 1, 2), new BrokenRun("rows: 1 instead of 2"));
});

Deno.test("the median is the middle value, or the mean of the two in the middle", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 9, 2]), 3);
});
