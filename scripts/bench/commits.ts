/** One statement again and again on many connections, each time committed: by pgbench, or without it by the driver. */
import { delimiter, join } from "node:path";
import postgres from "postgres";
import { exists } from "../stack/files.ts";
import type { BenchDatabase } from "./database.ts";
import { BrokenRun, requireEqual } from "./figure.ts";

/** What to run, and what it must leave behind. */
export interface Load {
  connections: number;
  seconds: number;
  statement: string;
  /** Gains `rowsPerCommit` rows by each statement. */
  table: string;
  rowsPerCommit: number;
}

/** @throws BrokenRun when the table did not gain what was committed */
export async function rowsPerSecond({ sql, url }: BenchDatabase, load: Load): Promise<number> {
  const count = async () =>
    (await sql`select count(*)::integer as rows from ${sql("public." + load.table)}`)[0]!.rows;
  const program = await pgbench;
  const before = await count();
  const { commits, seconds } = await (program ? withPgbench(program, url, load) : withDriver(url, load));
  requireEqual(`rows of ${load.table}`, await count() - before, commits * load.rowsPerCommit);
  return commits * load.rowsPerCommit / seconds;
}

const pgbench = findPgbench();

async function findPgbench(): Promise<string | undefined> {
  const debian = await Array.fromAsync(Deno.readDir("/usr/lib/postgresql")).catch(() => []);
  const folders = [
    ...(Deno.env.get("PATH") ?? "").split(delimiter),
    ...debian.map(({ name }) => `/usr/lib/postgresql/${name}/bin`),
  ];
  for (const folder of folders) {
    const program = join(folder, "pgbench");
    if (await exists(program)) return program;
  }
}

async function withPgbench(program: string, url: string, { connections, seconds, statement }: Load) {
  const script = await Deno.makeTempFile();
  await Deno.writeTextFile(script, statement + ";\n");
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: ["--no-vacuum", "--protocol=prepared", `--client=${connections}`]
      .concat(`--jobs=${Math.min(2, connections)}`, `--time=${seconds}`, `--file=${script}`, url),
  }).output();
  await Deno.remove(script);
  const output = new TextDecoder().decode(stdout);
  const commits = Number(/transactions actually processed: (\d+)/.exec(output)?.[1]);
  const perSecond = Number(/^tps = ([\d.]+)/m.exec(output)?.[1]);
  if (!success || !(perSecond > 0)) {
    throw new BrokenRun(`pgbench: ${new TextDecoder().decode(stderr).trim()}`);
  }
  return { commits, seconds: commits / perSecond };
}

async function withDriver(url: string, { connections, seconds: wanted, statement }: Load) {
  const sql = postgres(url, { max: connections });
  await Promise.all(Array.from({ length: connections }, () => sql`select pg_sleep(0.1)`));
  const start = performance.now();
  let commits = 0;
  await Promise.all(Array.from({ length: connections }, async () => {
    while (performance.now() < start + wanted * 1_000) {
      await sql.unsafe(statement, [], { prepare: true });
      commits++;
    }
  }));
  const seconds = (performance.now() - start) / 1_000;
  await sql.end();
  return { commits, seconds };
}
