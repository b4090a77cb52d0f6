import assert from "node:assert/strict";
import { RE2JS } from "re2js";
import { type EvilPattern, evilPatterns } from "./evil-patterns.ts";
import { MAX_MATCHED_TEXT, operators } from "./operators.ts";
import { validateCondition } from "./validate-condition.ts";

/** The attack in a text of so many characters. */
function attack({ before = "", piece, behind = "" }: EvilPattern, length: number): string {
  const filled = length - before.length - behind.length;
  return before + piece.repeat(Math.ceil(filled / piece.length)).slice(0, filled) + behind;
}

Deno.test("there are at least 60 different evil patterns, and rules may use all of them", () => {
  assert.ok(new Set(evilPatterns.map(({ pattern }) => pattern)).size >= 60);
  for (const { pattern } of evilPatterns) {
    const condition = { field: "message", operator: "matches", value: pattern };
    assert.deepEqual(validateCondition(condition).errors, []);
  }
});

// A backtracking engine manages the short ones: it says what is right.
for (const evil of evilPatterns) {
  Deno.test(`the evil pattern ${evil.pattern} is answered, and rightly, however long the text`, () => {
    const compare = operators.matches.compile(evil.pattern);
    for (const length of [11, 12]) {
      const text = attack(evil, length);
      assert.equal(compare(text), new RegExp(evil.pattern).test(text), text);
    }
    assert.equal(compare(attack(evil, MAX_MATCHED_TEXT)), evil.matches);
    assert.equal(RE2JS.compile(evil.pattern).test(attack(evil, 100_000)), evil.matches);
  });
}
