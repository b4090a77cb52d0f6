import { createClient, type PostgrestError, type SupabaseClient } from "@supabase/supabase-js";
import { type Database, DatabaseError } from "../ports.ts";

/** Machine codes of this product: `<noun>.<problem>`. */
const MACHINE_CODE = /^[a-z][a-z0-9_]*\.[a-z0-9_]+$/;

/** SQLSTATEs (and PostgREST's own codes) that callers must tell apart; the first match wins. */
const STATES: [pattern: RegExp, code: string, status: number, meaning: string][] = [
  [/^(22|23)/, "database.rejected", 422, "a value does not fit"],
  [/^(40001|40P01|55P03)$/, "database.busy", 503, "another transaction was in the way; try again"],
  [/^57014$/, "database.timeout", 504, "the statement took too long"],
  [/^25006$/, "database.read_only", 503, "the database accepts no writes (often: its disk is full)"],
  [/^(08|53|57P|PGRST00[0-3])/, "database.unreachable", 503, "the database cannot be reached now; try again"],
];

/** The Data API did not take the caller for a signed-in user: his token is invalid, or he was taken for anybody. */
const NOT_SIGNED_IN = /^(PGRST30[1-3]|42501)$/;

/** In serialised JSON: an escaped backslash (to step over), NUL, or half of a surrogate pair. */
const UNSTORABLE = /\\\\|\\u0000|\\ud[89a-f][0-9a-f]{2}/g;

/**
 * The project's database behind its Data API.
 *
 * `rpc` resolves to what the function returned and throws `DatabaseError` otherwise: the hint that SQL raised with
 * `PTxxx` is its code, everything else is `database.rejected | busy | timeout | read_only | unreachable | error`.
 * After `database.timeout` and `database.unreachable` the call may still have taken effect.
 *
 * @param timeoutMs Limit of one call in milliseconds.
 */
export function createDatabase(
  { url, secretKey, timeoutMs = 10_000 }: { url: string; secretKey: string; timeoutMs?: number },
): Database {
  const client = connect(url, secretKey);
  return { rpc: (name, args) => call(client, name, args, timeoutMs) };
}

/**
 * The same database as a signed-in user sees it: what is returned makes a `Database` of his access token, which the Data
 * API verifies with each call. For a token that is not valid the code is `database.not_signed_in`.
 */
export function createUserDatabase(
  { url, publishableKey, timeoutMs = 10_000 }: { url: string; publishableKey: string; timeoutMs?: number },
): (accessToken: string) => Database {
  const client = connect(url, publishableKey);
  return (accessToken) => ({ rpc: (name, args) => call(client, name, args, timeoutMs, accessToken) });
}

function connect(url: string, apiKey: string): SupabaseClient {
  return createClient(url, apiKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
  });
}

async function call<T>(
  client: SupabaseClient,
  name: string,
  args: Record<string, unknown> = {},
  timeoutMs: number,
  accessToken?: string,
): Promise<T> {
  const signal = AbortSignal.timeout(timeoutMs);
  const request = client.rpc(name, storable(args)).abortSignal(signal);
  if (accessToken !== undefined) request.setHeader("authorization", `Bearer ${accessToken}`);
  const { data, error, status } = await request;
  if (!error) return data as T;
  if (signal.aborted) {
    throw new DatabaseError(
      "database.timeout",
      `${name} did not answer within ${timeoutMs} ms; it may still have taken effect`,
      504,
    );
  }
  throw toDatabaseError(name, error, status);
}

/**
 * True when Postgres refused the given values, so that the whole statement was rolled back and the same values will be
 * refused again. Callers use it to find the one bad item of a batch.
 */
export function isRefusedInput(error: unknown): boolean {
  return error instanceof DatabaseError && error.status >= 400 && error.status < 500;
}

function toDatabaseError(name: string, error: PostgrestError, status: number): DatabaseError {
  const raised = /^PT([45]\d\d)$/.exec(error.code ?? "");
  if (raised) {
    const code = MACHINE_CODE.test(error.hint ?? "") ? error.hint : "database.error";
    return new DatabaseError(code, error.message, Number(raised[1]));
  }
  if (status === 401 && NOT_SIGNED_IN.test(error.code ?? "")) {
    return new DatabaseError("database.not_signed_in", `${name}: the Data API accepts no such token`, 500);
  }
  const state = STATES.find(([pattern]) => pattern.test(error.code ?? ""));
  if (state) return new DatabaseError(state[1], `${name}: ${state[3]} (${error.code})`, state[2]);
  if (status === 0 || status === 502 || status === 503 || status === 504) {
    return new DatabaseError(
      "database.unreachable",
      `${name}: the Data API cannot be reached now; try again`,
      503,
    );
  }
  return new DatabaseError(
    "database.error",
    `${name} failed (${error.code || status}): ${error.message}`,
    500,
  );
}

/** Postgres stores neither NUL nor lone surrogates, and reports of failures contain both: U+FFFD takes their place. */
function storable(args: Record<string, unknown>): Record<string, unknown> {
  const text = JSON.stringify(args);
  const clean = text.replace(UNSTORABLE, (escape) => escape === "\\\\" ? escape : "\\ufffd");
  return clean === text ? args : JSON.parse(clean);
}
