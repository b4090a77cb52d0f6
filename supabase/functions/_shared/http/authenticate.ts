import { createHash, timingSafeEqual } from "node:crypto";
import type { AuthModeWithKey } from "@supabase/server";
import { extractCredentials, verifyCredentials } from "@supabase/server/core";
import type { Role, RoleSource } from "../ports.ts";
import { HttpError } from "./errors.ts";

/**
 * Who may call an endpoint.
 * - `secret`: holders of any named secret key, and internal callers.
 * - `viewer`, `operator`, `admiral`: these, and signed-in users with that role or a greater one.
 * - `publishable`: as `secret`, and holders of a publishable key.
 * - `none`: anybody; the handler verifies a provider's signature over the raw body.
 */
export type Auth = "secret" | Role | "publishable" | "none";

/** What callers are checked against; each key has a name. */
export interface Keys {
  url: string;
  publishableKeys: Record<string, string>;
  secretKeys: Record<string, string>;
}

/** What decides who a caller is. */
export interface Credentials {
  keys: Keys;
  internalToken?: string;
  /** Needed where a role is asked for. */
  roles?: RoleSource;
}

/** Who called; keys have names. */
export type Caller =
  | { kind: "secret" | "publishable"; keyName?: string }
  /** A handler sees users with a role only. */
  | { kind: "user"; userId: string; role: Role | null }
  | { kind: "internal" }
  | { kind: "anonymous" };

/** Each role may do what those before it may. */
const ROLES: Role[] = ["viewer", "operator", "admiral"];

const MODES: Record<"secret" | "publishable", AuthModeWithKey[]> = {
  secret: ["secret:*"],
  publishable: ["secret:*", "publishable:*"],
};

/** True when signed-in users may call, if their role suffices. */
export function isRole(auth: Auth): auth is Role {
  return (ROLES as Auth[]).includes(auth);
}

/** The caller as the audit log names its actors: `user:<uuid>`, `key:<name>`, `system`, `anonymous`. */
export function actorOf(caller: Caller): string {
  if (caller.kind === "user") return `user:${caller.userId}`;
  if (caller.kind === "internal") return "system";
  if (caller.kind === "anonymous") return "anonymous";
  return `key:${caller.keyName ?? caller.kind}`;
}

/**
 * Finds out who calls. Keys are accepted in `apikey` and as `Authorization: Bearer`, the internal token in
 * `X-Internal-Token`, a user's access token as `Authorization: Bearer`. Keys are compared in constant time.
 *
 * @returns The caller, or null when nothing that was sent is valid. Whether a user's role suffices is `requireRole`'s to say.
 */
export async function authenticate(
  request: Request,
  auth: Auth,
  trusted: Credentials,
): Promise<Caller | null> {
  if (auth === "none") return { kind: "anonymous" };
  const internalToken = request.headers.get("x-internal-token");
  if (internalToken && trusted.internalToken && equalInConstantTime(internalToken, trusted.internalToken)) {
    return { kind: "internal" };
  }
  const { apikey, token } = extractCredentials(request);
  const holder = await keyHolder([apikey, token], auth === "publishable" ? auth : "secret", trusted.keys);
  if (holder) return holder;

  const user = isRole(auth) && token ? await trusted.roles?.roleOf(token) : null;
  return user ? { kind: "user", ...user } : null;
}

/** @throws {HttpError} `auth.role_required` for a user whose role does not suffice; it says how to grant the right one. */
export function requireRole(caller: Caller, auth: Auth): void {
  if (caller.kind !== "user" || !isRole(auth)) return;
  const { userId, role } = caller;
  if (role && ROLES.indexOf(role) >= ROLES.indexOf(auth)) return;
  const has = role ? `the role "${role}"` : "no role";
  throw new HttpError(
    "auth.role_required",
    `This needs the role "${auth}", and you have ${has}. Somebody with access to the project's SQL editor can grant ` +
      `it: insert into operators (user_id, role) values ('${userId}', '${auth}') ` +
      "on conflict (user_id) do update set role = excluded.role;",
    { required: auth, role },
  );
}

async function keyHolder(
  sent: (string | null)[],
  mode: "secret" | "publishable",
  keys: Keys,
): Promise<Caller | undefined> {
  // An empty key set keeps the package from looking for one in the environment.
  const env = { ...keys, jwks: { keys: [] } };
  for (const apikey of sent) {
    if (!apikey) continue;
    const { data } = await verifyCredentials({ apikey, token: null }, { auth: MODES[mode], env });
    if (data) return { kind: data.authMode as typeof mode, keyName: data.keyName ?? undefined };
  }
}

function equalInConstantTime(left: string, right: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
