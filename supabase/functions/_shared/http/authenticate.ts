import { createHash, timingSafeEqual } from "node:crypto";
import type { AuthModeWithKey } from "@supabase/server";
import { extractCredentials, verifyCredentials } from "@supabase/server/core";

/**
 * Who may call an endpoint.
 * - `secret`: holders of any named secret key, and internal callers.
 * - `publishable`: these, and holders of a publishable key.
 * - `none`: anybody; the handler verifies a provider's signature over the raw body.
 */
export type Auth = "secret" | "publishable" | "none";

/** What callers are checked against; each key has a name. */
export interface Keys {
  url: string;
  publishableKeys: Record<string, string>;
  secretKeys: Record<string, string>;
}

export interface Caller {
  kind: "secret" | "publishable" | "internal" | "anonymous";
  /** The name of the key, for the log and the audit. */
  keyName?: string;
}

const MODES: Record<Exclude<Auth, "none">, AuthModeWithKey[]> = {
  secret: ["secret:*"],
  publishable: ["secret:*", "publishable:*"],
};

/**
 * Finds out who calls. Keys are accepted in `apikey` and as `Authorization: Bearer`, the internal token in
 * `X-Internal-Token`; all comparisons take constant time.
 *
 * @returns The caller, or null when nothing that was sent is valid.
 */
export async function authenticate(
  request: Request,
  auth: Auth,
  keys: Keys,
  internalToken?: string,
): Promise<Caller | null> {
  if (auth === "none") return { kind: "anonymous" };
  const token = request.headers.get("x-internal-token");
  if (token && internalToken && equalInConstantTime(token, internalToken)) return { kind: "internal" };

  const sent = extractCredentials(request);
  // An empty key set keeps the package from looking for one in the environment.
  const env = { ...keys, jwks: { keys: [] } };
  for (const apikey of [sent.apikey, sent.token]) {
    if (!apikey) continue;
    const { data } = await verifyCredentials({ apikey, token: null }, { auth: MODES[auth], env });
    if (data) return { kind: data.authMode as "secret" | "publishable", keyName: data.keyName ?? undefined };
  }
  return null;
}

function equalInConstantTime(left: string, right: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
