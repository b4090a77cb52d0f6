/**
 * The program behind api.ts, run by `deno serve`: Supabase's own lightweight implementation of the Data, Auth and Storage
 * APIs, over the stack's PostgreSQL.
 */
import { App, setExperimental } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { storageFiles } from "./storage-files.ts";

const env = (name: string) => Deno.env.get(name)!;

const connection = createPostgresConnection({
  url: env("DATABASE_URL"),
  postgresOptions: { max: 20, onnotice: () => {}, types: { json: jsonType(114), jsonb: jsonType(3802) } },
});
// Left to itself, the server finds out whether any table has row level security, and if so grants everything in these
// schemas to anon, authenticated and service_role. Told beforehand, it switches roles and leaves the grants alone.
Object.assign(connection, { rlsState: "active" });

setExperimental("storage", true);
// On every start it warns that Storage is one of its experimental parts.
const warn = console.warn;
console.warn = () => {};
const app = new App({
  connection,
  storage: { enabled: true },
  auth: {
    enabled: true,
    jwt_secret: env("JWT_SECRET"),
    publishable_key: env("PUBLISHABLE_KEY"),
    secret_key: env("SECRET_KEY"),
  },
});
app._storageAdapter = storageFiles(env("STORAGE_FOLDER"));
await app.init();
console.warn = warn;

// It prints every failed request with a stack trace, also those that were the client's fault: one line is enough.
const print = console.error;
console.error = (...values: unknown[]) => {
  const text = values.map((value) => value instanceof Error ? value.message : String(value)).join(" ");
  print(text.split("\n")[0]);
};

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

export default {
  fetch: (request: Request) => app.fetch(request, { peerAddress: "127.0.0.1" }),
};
