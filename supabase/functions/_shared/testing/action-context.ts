import type { ActionContext, ActionDeps } from "../rules/action.ts";
import { fakeClock } from "./fake-clock.ts";
import { fakeMode } from "./fake-mode.ts";
import { recordingLogger } from "./recording-logger.ts";

const unexpected = (what: string) => () => {
  throw new Error(`This action has no business with ${what}`);
};

/** What one run of an action is given; what it does not need throws when it is used. */
export function actionContext(
  deps: Partial<ActionDeps> = {},
  run: Partial<ActionContext["run"]> = {},
): ActionContext & { run: { progress: unknown } } {
  const context = {
    run: { id: crypto.randomUUID(), attempts: 0, progress: null as unknown, ...run },
    rule: { id: "a-rule", name: "A rule", version: 1 },
    event: {},
    // deno-lint-ignore require-await
    async saveProgress(progress: unknown, replaces: unknown = null) {
      if (JSON.stringify(context.run.progress) === JSON.stringify(replaces)) context.run.progress = progress;
      return context.run.progress;
    },
    beforeEffect: () => Promise.resolve(),
    deps: {
      mode: fakeMode(),
      database: { rpc: unexpected("the database") },
      egress: { send: unexpected("the network") },
      projectUrl: "https://abc.supabase.co",
      internalToken: "canary-internal-token",
      signingKeys: [],
      pluginRegistry: { get: unexpected("plugins"), problems: unexpected("plugins") },
      pluginRuntime: { emit: unexpected("plugins") },
      clock: fakeClock(),
      logger: recordingLogger(),
      ...deps,
    },
  };
  return context;
}
