/** The Data and Auth APIs (`/rest/v1`, `/auth/v1`): Supabase's own lightweight server over the stack's PostgreSQL. */
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import type { StackSecrets } from "./secrets.ts";

/** The running APIs. They remember the schema: start them after the migrations. */
export interface Api {
  fetch(request: Request): Promise<Response>;
  stop(): Promise<void>;
}

/**
 * Starts the APIs in this process.
 *
 * @param databaseUrl of the role `authenticator`, which may do nothing but become the role of a request
 */
export async function startApi(databaseUrl: string, secrets: StackSecrets): Promise<Api> {
  const connection = createPostgresConnection({
    url: databaseUrl,
    postgresOptions: { max: 20, onnotice: () => {}, types: { json: jsonType(114), jsonb: jsonType(3802) } },
  });
  // Left to itself, the server finds out whether any table has row level security, and if so grants everything in these
  // schemas to anon, authenticated and service_role. Told beforehand, it switches roles and leaves the grants alone.
  Object.assign(connection, { rlsState: "active" });
  const app = new App({
    connection,
    auth: {
      enabled: true,
      jwt_secret: secrets.jwtSecret,
      publishable_key: secrets.publishableKey,
      secret_key: secrets.secretKey,
    },
  });
  await app.init();
  return {
    fetch: async (request) => await app.fetch(request, { peerAddress: "127.0.0.1" }),
    stop: () => connection.close(),
  };
}

/** The server hands over JSON arguments as text already; the driver must not encode that text once more. */
function jsonType(oid: number) {
  return {
    to: oid,
    from: [oid],
    parse: (text: string) => JSON.parse(text),
    serialize: (value: unknown) =>
      typeof value === "string" && /^[{[]/.test(value) ? value : JSON.stringify(value),
  };
}
