import { DatabaseError, type SystemMode } from "../ports.ts";
import type { ActionDeps, ActionOutcome } from "./action.ts";
import { actionOf } from "./actions.ts";
import { errorText } from "./error-text.ts";
import { renderAction } from "./render-action.ts";
import type { ActionRun, RuleStorage } from "./storage.ts";

/** Safe mode stopped the run before it had an effect: no try was made. */
export interface Stopped {
  state: "stopped";
  error: string;
}

/** Also what SQL raises when it finds safe mode where a write would come: that one counts as not tried, too. */
const SAFE_MODE = "safe_mode.active";

/** One try of a run. Never rejects: what went wrong unexpectedly may go well the next time. */
export async function attempt(
  run: ActionRun,
  attempts: number,
  storage: RuleStorage,
  deps: ActionDeps,
): Promise<ActionOutcome | Stopped> {
  const action = actionOf(run.type);
  const definition = action?.schema.safeParse(run.action);
  if (!action || !definition?.success) {
    const why = definition?.error?.issues.map(({ path, message }) => [...path, message].join(" ")).join("; ");
    return {
      state: "failed",
      error: `action.invalid: ${why ?? `type ${run.type} is unknown`}. Mend the rule.`,
    };
  }
  const { event } = run;
  if (!event) {
    const error =
      `event.gone: Event "${run.eventId}" is not stored any more, and the action needs its values.`;
    return { state: "failed", error };
  }
  try {
    return await action.run(renderAction(definition.data, event), {
      run: { id: run.id, attempts, progress: run.progress },
      rule: run.rule,
      event,
      saveProgress: (progress, replaces) => storage.saveProgress(run.id, progress, replaces),
      beforeEffect: () => refuseInSafeMode(deps.mode),
      deps,
    });
  } catch (error) {
    const { code } = error as { code?: unknown };
    const state = code === SAFE_MODE ? "stopped" : code === "template.too_large" ? "failed" : "retry";
    return { state, error: errorText(error) };
  }
}

async function refuseInSafeMode(mode: SystemMode): Promise<void> {
  if (!await mode.isSafe()) return;
  throw new DatabaseError(SAFE_MODE, "The platform is in safe mode; it is done when that is over", 503);
}
