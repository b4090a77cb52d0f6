import { decodeJwt } from "jose";
import { DatabaseError, type Role, type RoleSource } from "../ports.ts";
import { createUserDatabase } from "./database.ts";
import { ConfigError } from "./env.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Asks the database for a user's role with his own access token. It is the Data API that verifies the token, whichever key
 * signed it; and nothing is remembered, so that a revoked role ends at once.
 *
 * `roleOf` throws `DatabaseError` when there is no answer: that is never taken for an invalid token or a missing role.
 *
 * @param publishableKeys By name; one is needed.
 * @param timeoutMs Limit of one question in milliseconds.
 * @throws {ConfigError} without a publishable key.
 */
export function createRoleSource(
  { url, publishableKeys, timeoutMs = 5_000 }: {
    url: string;
    publishableKeys: Record<string, string>;
    timeoutMs?: number;
  },
): RoleSource {
  const publishableKey = publishableKeys.default ?? Object.values(publishableKeys)[0];
  if (!publishableKey) {
    throw new ConfigError(
      "SUPABASE_PUBLISHABLE_KEYS is missing, and so is SUPABASE_ANON_KEY: signed-in users are recognised with one of them",
    );
  }
  const databaseOf = createUserDatabase({ url, publishableKey, timeoutMs });
  return {
    async roleOf(token) {
      const userId = userIdIn(token);
      if (!userId) return null;
      try {
        return { userId, role: await databaseOf(token).rpc<Role | null>("my_role") };
      } catch (error) {
        if (error instanceof DatabaseError && error.code === "database.not_signed_in") return null;
        throw error;
      }
    },
  };
}

/** What the token claims, not verified yet; undefined when no user of this project's Auth could have such a token. */
function userIdIn(token: string): string | undefined {
  try {
    const { sub, role } = decodeJwt(token);
    return role === "authenticated" && UUID.test(sub ?? "") ? sub : undefined;
  } catch {
    return undefined;
  }
}
