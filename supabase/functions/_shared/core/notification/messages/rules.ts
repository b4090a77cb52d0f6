import { z } from "zod";
import { compose, type Wording } from "../message.ts";

const actionFailed = z.object({
  rule_id: z.string(),
  rule_name: z.string(),
  action: z.string(),
  error: z.string().nullish(),
  event_id: z.string().nullish(),
});

/** What people are told of rules. */
export const ruleMessages: Record<string, Wording> = {
  action_failed(payload) {
    const facts = actionFailed.parse(payload);
    return compose("⚠️ Rule Action Failed", [
      [["Rule", `${facts.rule_name} (${facts.rule_id})`], ["Action", facts.action], ["Error", facts.error]],
      [["Action Required", "Mend the rule or what it acts on: this action is not tried again"]],
      [["Event ID", facts.event_id]],
    ]);
  },
};
