import assert from "node:assert/strict";
import { asText } from "../../../testing/message-text.ts";
import { composeMessage } from "../messages.ts";

Deno.test("safe mode says why it began, who began it, and what it does", () => {
  const facts = { reason: "Grade F twice", changed_by: "system", automatic: true };
  assert.equal(
    asText(composeMessage("safe_mode_on", facts, "https://admin.example/")),
    `🔒 Safe Mode On

Reason: Grade F twice
Changed By: the health score

Effect: Writes are refused and outbound actions wait until safe mode is left

Action Required: Mend the cause, then leave safe mode
Dashboard: https://admin.example/`,
  );
});

Deno.test("the end of safe mode is told with who ended it, though the health score began it", () => {
  const facts = { reason: null, changed_by: "user:ada", automatic: true };
  assert.equal(
    asText(composeMessage("safe_mode_off", facts, null)),
    `🔓 Safe Mode Off

Changed By: user:ada

Effect: Writes are taken again and what waited is done`,
  );
});
