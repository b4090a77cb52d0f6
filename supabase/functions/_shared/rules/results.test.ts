import assert from "node:assert/strict";
import { actionResultsOf } from "./results.ts";
import type { Rule } from "./rule-schema.ts";

Deno.test("an action of which nothing is known yet goes on in the background, and is named all the same", () => {
  const action = [{ type: "anchor" }, { type: "webhook" }];
  const runs = action.map((_, position) => ({ id: crypto.randomUUID(), position }));
  const firing = { ruleId: "r", eventId: "e", outcome: "fired" as const, reason: null, runs };
  assert.deepEqual(
    actionResultsOf({ id: "r", action } as Rule, firing, new Map()),
    action.map(({ type }) => ({
      success: false,
      error: "action.queued: It goes on in the background",
      metadata: { action: type },
    })),
  );
});
