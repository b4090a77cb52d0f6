/** A whole Supabase-like project on this machine: database, Data and Auth APIs, Edge Functions, timers, one port. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import postgres, { type Sql } from "postgres";
import { startApi } from "./api.ts";
import { readVerifyJwt } from "./config.ts";
import { databaseUrl, lastingData, lockData, throwAwayData } from "./database.ts";
import { hostFunctions } from "./functions.ts";
import { handleRequest } from "./gateway.ts";
import { prepareHome, projectRoot } from "./paths.ts";
import { freePort, requireFreePort } from "./ports.ts";
import { startCluster } from "./postgres.ts";
import { unpackPostgres } from "./postgres-programs.ts";
import { loadSecrets, type StackSecrets } from "./secrets.ts";
import { startInvoker, startTimers } from "./timers.ts";

/** How to start a stack. */
export interface StackOptions {
  /** A stack for a test: its own copy of a fresh database, free ports, no timers, everything removed when it stops. */
  throwAway?: boolean;
  /** Port of the gateway; 54321, or a free one for a throw-away stack. */
  port?: number;
  /** Port of the database; 54322, or a free one for a throw-away stack. */
  databasePort?: number;
  /** Folder that holds `supabase/`; this repository when absent. */
  project?: string;
  /** Variables for the functions, on top of the platform's. */
  env?: Record<string, string>;
  /** Whether the rows of `public.timers` are run; true for a lasting stack. */
  timers?: boolean;
  /** Longest wait for a function's response, 150,000 when absent. */
  timeLimitMs?: number;
  /** Receives what functions and timers print; nothing is printed when absent. */
  log?: (line: string) => void;
  /** Called before each step of the start, with a text for people. */
  progress?: (step: string) => void;
}

/** A running stack. */
export interface Stack {
  /** Base address, as `SUPABASE_URL`, for example `http://127.0.0.1:54321`. */
  url: string;
  /** Of role `postgres`, which is no superuser. */
  databaseUrl: string;
  secrets: StackSecrets;
  /** The functions' environment. */
  env: Record<string, string>;
  /** A connection pool as role `postgres`. */
  sql: Sql;
  /** Kills a function's process; its next request starts another one. */
  killFunction(name: string): Promise<void>;
  /** Adds variables to `env`; every function starts anew with its next request. */
  setEnv(added: Record<string, string>): Promise<void>;
  /** Ends the database server as a crash does, and starts it again. */
  restartPostgres(): Promise<void>;
  /** Resolves with the database server's last words when it ends by itself. */
  databaseDied: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts a stack and resolves when it answers.
 *
 * @throws StackError with one sentence for the user: `stack.running`, `port.in_use`, `postgres.no_start`, …
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const {
    project = projectRoot,
    throwAway = false,
    log = () => {},
    progress = () => {},
    timeLimitMs = 150_000,
  } = options;
  const port = options.port ?? (throwAway ? freePort() : 54321);
  const databasePort = options.databasePort ?? (throwAway ? freePort() : 54322);
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    while (undo.length > 0) await undo.pop()!();
  };
  try {
    const home = await prepareHome();
    if (!throwAway) undo.push(await lockData(home));
    requireFreePort(port, "the gateway");
    requireFreePort(databasePort, "the database");

    progress("PostgreSQL 17");
    const secrets = await loadSecrets(home);
    const parts = { project, home, secrets, programs: await unpackPostgres(home) };
    progress("database with all migrations");
    const lasting = throwAway ? undefined : await lastingData(parts);
    const data = lasting?.data ?? await throwAwayData(parts);
    if (throwAway) undo.push(() => rm(data, { recursive: true, force: true }));
    const cluster = await startCluster(parts.programs, data, {
      port: databasePort,
      password: secrets.databasePassword,
      durable: !throwAway,
    });
    undo.push(() => cluster.stop());

    const ownUrl = databaseUrl(databasePort, secrets);
    await lasting?.migrate(ownUrl);
    const sql = postgres(ownUrl, { max: 10, onnotice: () => {} });
    undo.push(() => sql.end({ timeout: 1 }));

    progress("Data and Auth API, functions, gateway");
    const api = await startApi(databaseUrl(databasePort, secrets, "local_api"), secrets, log);
    undo.push(() => api.kill());

    const url = `http://127.0.0.1:${port}`;
    const env = {
      ...platformEnvironment(url, ownUrl, secrets),
      ...(throwAway ? {} : await readEnvFile(project)),
      ...options.env,
    };
    const functions = hostFunctions(project, env, timeLimitMs, log);
    undo.push(() => functions.stop());
    const backends = { api, functions, secrets, timeLimitMs, verifyJwt: await readVerifyJwt(project) };
    const server = Deno.serve(
      { hostname: "127.0.0.1", port, onListen: () => {} },
      (request, { remoteAddr }) => handleRequest(request, remoteAddr.hostname, backends),
    );
    undo.push(() => stopServing(server));

    const invoker = await startInvoker(sql, url, secrets.internalWebhookToken, log);
    undo.push(() => invoker.stop());
    if (options.timers ?? !throwAway) {
      const timers = await startTimers(sql, log);
      undo.push(() => timers.stop());
    }
    return {
      ...{ url, databaseUrl: ownUrl, secrets, env, sql, stop },
      databaseDied: cluster.died,
      setEnv: (added) => functions.setEnv(added),
      killFunction: (name) => functions.kill(name),
      restartPostgres: () => cluster.crashAndRestart(),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The variables that the hosted platform gives to every function, and the local values of this product's secrets. */
function platformEnvironment(
  url: string,
  databaseUrl: string,
  secrets: StackSecrets,
): Record<string, string> {
  return {
    SUPABASE_URL: url,
    SUPABASE_DB_URL: databaseUrl,
    SUPABASE_ANON_KEY: secrets.anonKey,
    SUPABASE_SERVICE_ROLE_KEY: secrets.serviceRoleKey,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: secrets.publishableKey }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: secrets.secretKey }),
    ENVIRONMENT: "development",
    INTERNAL_WEBHOOK_TOKEN: secrets.internalWebhookToken,
    TOKEN_ENCRYPTION_KEYS: secrets.tokenEncryptionKeys,
  };
}

async function readEnvFile(project: string): Promise<Record<string, string>> {
  const text = await Deno.readTextFile(join(project, "supabase/functions/.env")).catch(() => "");
  return parseEnv(text) as Record<string, string>;
}

/** Lets requests in flight finish for a second, then goes on without them. */
async function stopServing(server: Deno.HttpServer): Promise<void> {
  const { promise: patienceEnds, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, 1_000);
  await Promise.race([server.shutdown(), patienceEnds]);
  clearTimeout(timer);
}
