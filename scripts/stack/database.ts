/** Ready databases: clusters with hosted-like roles and the project's migrations, copied from a template that is built once. */
import { createHash, randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { bootstrapSql } from "./bootstrap.ts";
import { copyFolder, exists, moveUnlessTaken } from "./files.ts";
import { applyMigrations, migrateAndSeed, migrationDigests, readSeed } from "./migrate.ts";
import { resetCommand } from "./paths.ts";
import { freePort } from "./ports.ts";
import { createCluster, startCluster, stopOrphan } from "./postgres.ts";
import type { PostgresPrograms } from "./postgres-programs.ts";
import { isAlive } from "./processes.ts";
import type { StackSecrets } from "./secrets.ts";
import { StackError } from "./stack-error.ts";

/** What a database is made from. */
export interface DatabaseParts {
  /** Folder that holds `supabase/`. */
  project: string;
  home: string;
  programs: PostgresPrograms;
  secrets: StackSecrets;
}

/** The URL of database `postgres` for a role that can log in. */
export function databaseUrl(port: number, secrets: StackSecrets, role = "postgres"): string {
  return `postgresql://${role}:${secrets.databasePassword}@127.0.0.1:${port}/postgres`;
}

/** Runs SQL as the superuser `supabase_admin`. */
export async function asSuperuser(port: number, secrets: StackSecrets, statements: string): Promise<void> {
  const sql = postgres(databaseUrl(port, secrets, "supabase_admin"), { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(statements);
  } finally {
    await sql.end();
  }
}

/** Copies the template to a folder that belongs to this process. */
export async function throwAwayData(parts: DatabaseParts): Promise<string> {
  const data = await throwAwayFolder(parts.home);
  await copyFolder(await template(parts), data);
  return data;
}

/** A path for a cluster of this process, which does not exist yet. Clears away what killed processes left. */
export async function throwAwayFolder(home: string): Promise<string> {
  const folder = join(home, "throw-away");
  await Deno.mkdir(folder, { recursive: true });
  for await (const { name } of Deno.readDir(folder)) {
    const owner = Number(/^(\d+)-/.exec(name)?.[1]);
    if (!owner || isAlive(owner)) continue;
    await stopOrphan(join(folder, name));
    await rm(join(folder, name), { recursive: true, force: true });
  }
  return join(folder, `${Deno.pid}-${randomUUID().slice(0, 8)}`);
}

/**
 * The lasting data of the local stack: copied from the template at first.
 *
 * @returns the folder, and a step to run once the cluster is up, which applies migrations that came since
 * @throws StackError `migration.edited` when a migration that was applied is no longer the same
 */
export async function lastingData(
  parts: DatabaseParts,
): Promise<{ data: string; migrate(url: string): Promise<void> }> {
  const data = join(parts.home, "data");
  const record = join(parts.home, "migrations.json");
  const wanted = await migrationDigests(parts.project);
  const fresh = !await exists(data);
  if (fresh) {
    await Deno.writeTextFile(record, JSON.stringify(wanted));
    const finished = await template(parts);
    const unfinished = join(parts.home, "templates", `data-${randomUUID()}`);
    await copyFolder(finished, unfinished);
    await Deno.rename(unfinished, data);
  }
  const applied: Record<string, string> = JSON.parse(await Deno.readTextFile(record));
  const edited = Object.keys(applied).find((name) => applied[name] !== wanted[name]);
  if (edited) {
    throw new StackError(
      "migration.edited",
      `Migration ${edited} was edited or removed after this database had applied it: empty the data with ${resetCommand}`,
    );
  }
  return {
    data,
    async migrate(url) {
      if (fresh) {
        await beginNow(url);
        await publishCheckpoints(url);
      }
      if (Object.keys(wanted).every((name) => applied[name] === wanted[name])) return;
      await applyMigrations(parts.project, url);
      await Deno.writeTextFile(record, JSON.stringify(wanted));
    },
  };
}

/**
 * A copy begins its life now: nothing that goes by the clock was missed while its template lay there, however old that is.
 */
export async function beginNow(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  try {
    const [present] = await sql`
      select to_regproc('private.install_timers') as timers, to_regclass('private.scan_watermark') as scan`;
    if (present?.timers) await sql`select private.install_timers()`;
    if (present?.scan) await sql`update private.scan_watermark set scanned_until = now()`;
  } finally {
    await sql.end();
  }
}

/** Unlike a hosted project, this one has a signing key and a Storage from its first day. */
async function publishCheckpoints(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  await sql`update public.notification_channels set enabled = true where name = 'store'`;
  await sql.end();
}

/**
 * Takes the lasting data for this process, and stops a database server that a killed run left on it. The system drops
 * the lock however the process ends.
 *
 * @returns the way to give it back
 * @throws StackError `stack.running` when another process has it
 */
export async function lockData(home: string): Promise<() => Promise<void>> {
  const file = await Deno.open(join(home, "stack.lock"), { create: true, read: true, write: true });
  if (!await file.tryLock(true)) {
    file.close();
    throw new StackError(
      "stack.running",
      "A stack is already running on this data: stop it with Ctrl-C first.",
    );
  }
  await stopOrphan(join(home, "data"));
  // deno-lint-ignore require-await
  return async () => file.close();
}

/** Where the Storage API keeps the objects that belong to a cluster's data. */
export function storageFolderOf(data: string): string {
  return `${data}-storage`;
}

/** Deletes the lasting data; the caller holds the lock. */
export async function removeData(home: string): Promise<void> {
  const data = join(home, "data");
  await rm(data, { recursive: true, force: true });
  await rm(storageFolderOf(data), { recursive: true, force: true });
  await rm(join(home, "migrations.json"), { force: true });
}

/** A stopped cluster with everything applied; built once for each state of the migrations. */
async function template({ project, home, programs, secrets }: DatabaseParts): Promise<string> {
  const bootstrap = bootstrapSql(secrets.databasePassword, "none");
  const digests = await migrationDigests(project);
  const seed = await readSeed(project);
  const ingredients = JSON.stringify([programs.bin, bootstrap, digests, seed]);
  const key = createHash("sha256").update(ingredients).digest("hex").slice(0, 16);
  const folder = join(home, "templates");
  const finished = join(folder, key);
  if (await exists(finished)) return finished;

  await Deno.mkdir(folder, { recursive: true });
  await removeOldTemplates(folder);
  const unfinished = `${finished}-${randomUUID()}`;
  await createCluster(programs, unfinished, secrets.databasePassword);
  const port = freePort();
  const cluster = await startCluster(programs, unfinished, {
    port,
    password: secrets.databasePassword,
    durable: false,
  });
  try {
    await asSuperuser(port, secrets, bootstrap);
    if (Object.keys(digests).length > 0) await migrateAndSeed(project, databaseUrl(port, secrets));
  } catch (error) {
    await cluster.stop();
    await rm(unfinished, { recursive: true });
    throw error;
  }
  await cluster.stop();
  await moveUnlessTaken(unfinished, finished);
  return finished;
}

/**
 * Templates of migrations that have changed since are useless; an hour keeps those of other running processes, which
 * may be removing the old ones, too.
 */
async function removeOldTemplates(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    const info = await Deno.stat(join(folder, name)).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    if (info && Date.now() - info.mtime!.getTime() > 3_600_000) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}
