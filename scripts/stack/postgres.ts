/** Private PostgreSQL clusters that listen on 127.0.0.1 only and never outlive this process. */
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import postgres from "postgres";
import { type Child, startChild } from "./child.ts";
import { resetCommand } from "./paths.ts";
import type { PostgresPrograms } from "./postgres-programs.ts";
import { commandLineOf } from "./processes.ts";
import { StackError } from "./stack-error.ts";

const longestStartMs = 60_000;

/** How to run a cluster. */
export interface ClusterOptions {
  port: number;
  /** Of the superuser `supabase_admin`. */
  password: string;
  /** False trades safety after a power cut for speed: throw-away clusters only. */
  durable: boolean;
  /** Further server settings, for example `shared_preload_libraries`. */
  settings?: Record<string, string>;
}

/** A running cluster. */
export interface Cluster {
  port: number;
  /** Resolves with the server's last words when it ends although nobody asked it to. */
  died: Promise<string>;
  stop(): Promise<void>;
  /** Ends the server without a checkpoint, as a crash does, and starts it again on the same port. */
  crashAndRestart(): Promise<void>;
}

/**
 * Creates an empty cluster whose superuser is `supabase_admin`.
 *
 * @param dataFolder must not exist; only the cluster's user can read it afterwards
 * @throws StackError `postgres.no_cluster` with the reason that initdb gave
 */
export async function createCluster(
  programs: PostgresPrograms,
  dataFolder: string,
  password: string,
): Promise<void> {
  const passwordFile = await Deno.makeTempFile({ dir: dirname(dataFolder), prefix: "password-" });
  try {
    await Deno.writeTextFile(passwordFile, password);
    await Deno.mkdir(dataFolder, { mode: 0o700 });
    if (programs.user) {
      await Deno.chown(passwordFile, programs.user.uid, programs.user.gid);
      await Deno.chown(dataFolder, programs.user.uid, programs.user.gid);
    }
    const { success, stderr } = await new Deno.Command(join(programs.bin, "initdb"), {
      args: ["--pgdata", dataFolder, "--username=supabase_admin", `--pwfile=${passwordFile}`]
        .concat(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]),
      env: { LC_ALL: "C", TZ: "UTC" },
      clearEnv: true,
      cwd: dataFolder,
      ...programs.user,
    }).output();
    if (!success) {
      throw new StackError(
        "postgres.no_cluster",
        `PostgreSQL could not create a database cluster: ${new TextDecoder().decode(stderr).trim()}`,
      );
    }
  } finally {
    await Deno.remove(passwordFile);
  }
}

/**
 * Starts a cluster and waits until it answers.
 *
 * @throws StackError `postgres.no_start` with the last words of the server
 */
export async function startCluster(
  programs: PostgresPrograms,
  dataFolder: string,
  options: ClusterOptions,
): Promise<Cluster> {
  const { promise: died, resolve: reportDeath } = Promise.withResolvers<string>();
  let asked = false;
  const launchAndWatch = async () => {
    const { server, lastWords } = await launch(programs, dataFolder, options);
    asked = false;
    server.ended.then(() => asked || reportDeath(lastWords()));
    return server;
  };
  let server = await launchAndWatch();
  return {
    port: options.port,
    died,
    // SIGINT is PostgreSQL's "fast" shutdown: open sessions are rolled back, data is written.
    async stop() {
      asked = true;
      await server.stop(10_000);
    },
    async crashAndRestart() {
      asked = true;
      server.signal("SIGQUIT");
      await server.ended;
      server = await launchAndWatch();
    },
  };
}

/** Stops the server of a cluster whose owner is gone, when there is one. */
export async function stopOrphan(dataFolder: string): Promise<void> {
  const lockFile = join(dataFolder, "postmaster.pid");
  const pid = Number((await Deno.readTextFile(lockFile).catch(() => "")).split("\n")[0]);
  if (!pid) return;
  const deadline = Date.now() + 10_000;
  while (await commandLineOf(pid).then((line) => line.includes(dataFolder))) {
    Deno.kill(pid, Date.now() < deadline ? "SIGINT" : "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // A killed server leaves its lock file; the process id in it may meanwhile belong to a stranger.
  await rm(lockFile, { force: true });
}

async function launch(
  programs: PostgresPrograms,
  dataFolder: string,
  options: ClusterOptions,
): Promise<{ server: Child; lastWords: () => string }> {
  const settings: Record<string, string> = {
    port: String(options.port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "120",
    shared_buffers: "128MB",
    ...(options.durable ? {} : { fsync: "off", full_page_writes: "off" }),
    ...options.settings,
  };
  const lines: string[] = [];
  const lastWords = () =>
    lines.filter((line) => /FATAL|PANIC|HINT|could not/.test(line)).join("; ") || lines.at(-1) || "";
  const server = startChild({
    command: join(programs.bin, "postgres"),
    args: [
      "-D",
      dataFolder,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    env: { LC_ALL: "C", TZ: "UTC" },
    cwd: dataFolder,
    user: programs.user,
    stopSignal: "SIGINT",
    onLine: (line) => {
      if (lines.push(line) > 20) lines.shift();
    },
  });
  try {
    await untilItAnswers(server, options);
  } catch (error) {
    await server.stop(10_000);
    if (error instanceof StackError) throw error;
    throw new StackError(
      "postgres.no_start",
      `The database in ${dataFolder} does not start (${lastWords()}): replace it with an empty one by ${resetCommand}`,
    );
  }
  return { server, lastWords };
}

async function untilItAnswers(server: Child, options: ClusterOptions): Promise<void> {
  let ended = false;
  server.ended.then(() => ended = true);
  const deadline = Date.now() + longestStartMs;
  while (!await answers(options)) {
    if (ended || Date.now() > deadline) throw new Error(ended ? "ended" : "too slow");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether the server takes sessions yet. */
async function answers({ port, password }: ClusterOptions): Promise<boolean> {
  const probe = postgres({
    ...{ host: "127.0.0.1", port, user: "supabase_admin", password, database: "postgres" },
    ...{ max: 1, connect_timeout: 5 },
  });
  try {
    await probe`select 1`;
    return true;
  } catch (error) {
    const code = (error as { code?: string }).code ?? "";
    if (!code.startsWith("28")) return false;
    throw new StackError(
      "postgres.wrong_password",
      `The database refuses the password in secrets.json, they do not belong together: empty the data with ${resetCommand}`,
    );
  } finally {
    await probe.end({ timeout: 0 });
  }
}
