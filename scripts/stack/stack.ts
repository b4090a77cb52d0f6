/** A whole Supabase-like project on this machine: database, Data, Auth and Storage APIs, Edge Functions, timers, one port. */
import { rm } from "node:fs/promises";
import postgres, { type Sql } from "postgres";
import { startApi } from "./api.ts";
import { readVerifyJwt } from "./config.ts";
import { beginNow, databaseUrl, lastingData, lockData, storageFolderOf, throwAwayData } from "./database.ts";
import { platformEnvironment, readEnvFile } from "./environment.ts";
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
  /** Where functions and timers print. */
  log(line: string): void;
  stop(): Promise<void>;
}

/** What has been started so far, to be stopped in reverse order. */
type Undo = (() => Promise<unknown>)[];

/**
 * Starts a stack and resolves when it answers.
 *
 * @throws StackError with one sentence for the user: `stack.running`, `port.in_use`, `postgres.no_start`, …
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const undo: Undo = [];
  const stop = async () => {
    while (undo.length > 0) await undo.pop()!();
  };
  try {
    const home = await prepareHome();
    if (!options.throwAway) undo.push(await lockData(home));
    const port = options.port ?? (options.throwAway ? freePort() : 54321);
    requireFreePort(port, "the gateway");

    const secrets = await loadSecrets(home);
    const database = await startDatabase(home, secrets, options, undo);
    const services = await startServices(`http://127.0.0.1:${port}`, database, secrets, options, undo);
    return {
      ...{ databaseUrl: database.url, sql: database.sql, secrets, stop },
      ...services,
      databaseDied: database.cluster.died,
      restartPostgres: () => database.cluster.crashAndRestart(),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startDatabase(home: string, secrets: StackSecrets, options: StackOptions, undo: Undo) {
  const { project = projectRoot, throwAway = false, progress = () => {} } = options;
  const port = options.databasePort ?? (throwAway ? freePort() : 54322);
  requireFreePort(port, "the database");

  progress("PostgreSQL 17");
  const parts = { project, home, secrets, programs: await unpackPostgres(home) };
  progress("database with all migrations");
  const lasting = throwAway ? undefined : await lastingData(parts);
  const data = lasting?.data ?? await throwAwayData(parts);
  const storageFolder = storageFolderOf(data);
  if (throwAway) {
    undo.push(() => rm(data, { recursive: true, force: true }));
    undo.push(() => rm(storageFolder, { recursive: true, force: true }));
  }
  const cluster = await startCluster(parts.programs, data, {
    port,
    password: secrets.databasePassword,
    durable: !throwAway,
  });
  undo.push(() => cluster.stop());

  const url = databaseUrl(port, secrets);
  await (lasting ? lasting.migrate(url) : beginNow(url));
  const sql = postgres(url, { max: 10, onnotice: () => {} });
  undo.push(() => sql.end({ timeout: 1 }));
  return { port, url, sql, cluster, storageFolder };
}

async function startServices(
  url: string,
  database: { port: number; url: string; sql: Sql; storageFolder: string },
  secrets: StackSecrets,
  options: StackOptions,
  undo: Undo,
) {
  const { project = projectRoot, log = () => {}, timeLimitMs = 150_000 } = options;
  options.progress?.("Data, Auth and Storage APIs, functions, gateway");
  const apiUrl = databaseUrl(database.port, secrets, "local_api");
  const api = await startApi(apiUrl, database.storageFolder, secrets, log);
  undo.push(() => api.kill());

  const env = {
    ...platformEnvironment(url, database.url, secrets),
    ...(options.throwAway ? {} : await readEnvFile(project)),
    ...options.env,
  };
  const functions = hostFunctions(project, env, timeLimitMs, log);
  undo.push(() => functions.stop());

  const backends = { api, functions, secrets, timeLimitMs, verifyJwt: await readVerifyJwt(project) };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: Number(new URL(url).port), onListen: () => {} },
    (request, { remoteAddr }) => handleRequest(request, remoteAddr.hostname, backends),
  );
  undo.push(() => stopServing(server));

  const invoker = await startInvoker(database.sql, url, env.INTERNAL_WEBHOOK_TOKEN!, log);
  undo.push(() => invoker.stop());
  if (options.timers ?? !options.throwAway) {
    const timers = await startTimers(database.sql, log);
    undo.push(() => timers.stop());
  }
  return {
    ...{ url, env, log },
    setEnv: (added: Record<string, string>) => functions.setEnv(added),
    killFunction: (name: string) => functions.kill(name),
  };
}

/** Lets requests in flight finish for a second, then goes on without them. */
async function stopServing(server: Deno.HttpServer): Promise<void> {
  const { promise: patienceEnds, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, 1_000);
  await Promise.race([server.shutdown(), patienceEnds]);
  clearTimeout(timer);
}
