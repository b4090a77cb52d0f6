import type { Action, ActionDefinition } from "./action.ts";
import { anchor } from "./actions/anchor.ts";
import { ledgerAllocate } from "./actions/ledger-allocate.ts";
import { pluginEmit } from "./actions/plugin-emit.ts";
import { webhook } from "./actions/webhook.ts";

/** Every action; another one is a file in `actions/`, an entry here, its name in `ActionDefinition` and a channel of that name. */
export const actions: readonly Action<ActionDefinition>[] = [anchor, webhook, pluginEmit, ledgerAllocate];

/** The action of that type, if there is one. */
export function actionOf(type: unknown): Action<ActionDefinition> | undefined {
  return actions.find((action) => action.type === type);
}
