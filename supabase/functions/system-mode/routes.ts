import { z } from "zod";
import { actorOf } from "../_shared/http/authenticate.ts";
import { HttpError } from "../_shared/http/errors.ts";
import { type Route, route } from "../_shared/http/route.ts";
import type { Database } from "../_shared/ports.ts";

const name = z.string().trim().min(1).max(200);

/** `enabledBy` and `disabledBy` are what the caller says; who he is, is recorded beside it. */
const enterRequest = z.strictObject({ reason: z.string().trim().min(1).max(1_000), enabledBy: name });
const leaveRequest = z.strictObject({ overrideToken: z.string().min(1).max(1_000), disabledBy: name });

type Refusal = `safe_mode.${"token_wrong" | "token_blocked" | "token_missing" | "not_active"}`;

/** What `leave_safe_mode` returns; `left` says which. A wrong token is no error there, as it would not be counted. */
type Leaving =
  | { left: true; mode: string; safeMode: boolean }
  | { left: false; code: Refusal; message: string; attempts_left: number };

/** The mode of the whole platform: viewers read it, admirals change it, also while it is safe. */
export function systemModeRoutes({ database }: { database: Database }): Route[] {
  return [
    route({
      ...{ method: "GET", path: "/system-mode", auth: "viewer" },
      handler: () => database.rpc("read_system_mode"),
    }),
    route({
      ...{ ...change("POST"), schema: enterRequest },
      handler: ({ reason, enabledBy }, { caller }) =>
        database.rpc("enter_safe_mode", {
          ...{ p_reason: reason, p_enabled_by: enabledBy, p_actor: actorOf(caller) },
        }),
    }),
    route({
      ...{ ...change("DELETE"), schema: leaveRequest },
      async handler({ overrideToken, disabledBy }, { caller }) {
        const leaving = await database.rpc<Leaving>("leave_safe_mode", {
          ...{ p_override_token: overrideToken, p_disabled_by: disabledBy, p_actor: actorOf(caller) },
        });
        if (leaving.left) return leaving;
        throw new HttpError(leaving.code, leaving.message, { attempts_left: leaving.attempts_left });
      },
    }),
  ];
}

/** Both stay open in safe mode: one is the way out, the other makes an automatic safe mode a person's. */
function change(method: "POST" | "DELETE") {
  return { method, path: "/system-mode/safe", auth: "admiral", inSafeMode: "open" } as const;
}
