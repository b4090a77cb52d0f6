import { z } from "zod";
import { compose, type Wording } from "../message.ts";

const change = z.object({
  reason: z.string().nullish(),
  changed_by: z.string().nullish(),
  /** Whether the health score engaged safe mode, whoever ends it. */
  automatic: z.boolean().nullish(),
});

/** What people are told of the platform's mode. */
export const modeMessages: Record<string, Wording> = {
  safe_mode_on(payload, dashboardUrl) {
    const facts = change.parse(payload);
    return compose("🔒 Safe Mode On", [
      [["Reason", facts.reason], ["Changed By", facts.automatic ? "the health score" : facts.changed_by]],
      [["Effect", "Writes are refused and outbound actions wait until safe mode is left"]],
      [["Action Required", "Mend the cause, then leave safe mode"], ["Dashboard", dashboardUrl]],
    ]);
  },
  safe_mode_off(payload) {
    const facts = change.parse(payload);
    return compose("🔓 Safe Mode Off", [
      [["Reason", facts.reason], ["Changed By", facts.changed_by]],
      [["Effect", "Writes are taken again and what waited is done"]],
    ]);
  },
};
