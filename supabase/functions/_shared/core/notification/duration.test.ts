import assert from "node:assert/strict";
import { formatDuration } from "./duration.ts";

Deno.test("a duration is shown in its two largest units", () => {
  const expected: [seconds: number, text: string][] = [
    [0, "less than a second"],
    [0.999, "less than a second"],
    [1, "1 s"],
    [59.9, "59 s"],
    [60, "1 min"],
    [200, "3 min 20 s"],
    [7_200, "2 h"],
    [7_201, "2 h"],
    [86_399, "23 h 59 min"],
    [100_800, "1 d 4 h"],
    [400 * 86_400, "400 d"],
  ];
  for (const [seconds, text] of expected) assert.equal(formatDuration(seconds), text);
});
