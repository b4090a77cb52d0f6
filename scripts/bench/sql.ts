/** The SQL function that takes reports, against bare one-row commits in the same cluster. */
import { delimiter, join } from "node:path";
import postgres from "postgres";
import { prepareReport } from "../../supabase/functions/_shared/core/recovery/report.ts";
import { exists } from "../stack/files.ts";
import { type BenchDatabase, benchDatabase } from "./database.ts";
import { BrokenRun, type Figure, requireEqual } from "./figure.ts";
import { rateLimited } from "./samples.ts";
import { registerServices } from "./services.ts";

const SECONDS = 5;
const BATCH = 100;

export async function benchSql(): Promise<Figure[]> {
  const database = await benchDatabase();
  try {
    await registerServices(database.sql);
    await database.sql`create table public.bare_commits (id uuid primary key, report jsonb)`;
    const run = await findPgbench().then((program) => program ? withPgbench(program) : withDriver);
    const figures: Figure[] = [];
    for (const connections of [1, 8, 32]) {
      const peer = await rowsPerSecond(database, run, connections, bareCommit, "bare_commits", 1);
      for (const reports of [1, BATCH]) {
        const ours = await rowsPerSecond(
          database,
          run,
          connections,
          reportFailures(reports),
          "system_integrity_events",
          reports,
        );
        figures.push({
          what: `report_failures, ${reports} a call, ${connections} connection${connections > 1 ? "s" : ""}`,
          unit: "reports/s",
          ...{ ours, peer, peerIs: "bare one-row commits" },
          better: "more",
          aim: 0.6,
        });
      }
    }
    return figures;
  } finally {
    await database.stop();
  }
}

// pgbench takes a colon before a letter or digit for a variable, even inside a literal.
const report = JSON.stringify(
  prepareReport(
    { event_id: "00000000-0000-4000-8000-000000000000", ...rateLimited(0) },
    { now: new Date(0), random: 0.5 },
  ),
).replaceAll(":", ": ").replaceAll("'", "''");

const bareCommit = `insert into public.bare_commits values (gen_random_uuid(), '${report}')`;

const reportFailures = (reports: number) => `
  select public.report_failures((
    select jsonb_agg('${report}'::jsonb || jsonb_build_object(
      'event_id', gen_random_uuid(), 'service_name', 'service-' || floor(random() * 100)))
    from generate_series(1, ${reports})))`;

/** Runs a statement on many connections for some seconds; resolves to how many were committed in which time. */
type Run = (
  url: string,
  connections: number,
  statement: string,
) => Promise<{ commits: number; seconds: number }>;

async function rowsPerSecond(
  { sql, url }: BenchDatabase,
  run: Run,
  connections: number,
  statement: string,
  table: string,
  rowsPerCommit: number,
): Promise<number> {
  const count = async () =>
    (await sql`select count(*)::integer as rows from ${sql("public." + table)}`)[0]!.rows;
  const before = await count();
  const { commits, seconds } = await run(url, connections, statement);
  requireEqual(`rows of ${table}`, await count() - before, commits * rowsPerCommit);
  return commits * rowsPerCommit / seconds;
}

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

function withPgbench(program: string): Run {
  return async (url, connections, statement) => {
    const script = await Deno.makeTempFile();
    await Deno.writeTextFile(script, statement + ";\n");
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args: [
        "--no-vacuum",
        "--protocol=prepared",
        `--client=${connections}`,
        `--jobs=${Math.min(2, connections)}`,
      ]
        .concat(`--time=${SECONDS}`, `--file=${script}`, url),
    }).output();
    await Deno.remove(script);
    const output = new TextDecoder().decode(stdout);
    const commits = Number(/transactions actually processed: (\d+)/.exec(output)?.[1]);
    const perSecond = Number(/^tps = ([\d.]+)/m.exec(output)?.[1]);
    if (!success || !(perSecond > 0)) {
      throw new BrokenRun(`pgbench: ${new TextDecoder().decode(stderr).trim()}`);
    }
    return { commits, seconds: commits / perSecond };
  };
}

/** The same by the driver of this program, for machines without pgbench. */
const withDriver: Run = async (url, connections, statement) => {
  const sql = postgres(url, { max: connections });
  await Promise.all(Array.from({ length: connections }, () => sql`select pg_sleep(0.1)`));
  const start = performance.now();
  let commits = 0;
  await Promise.all(Array.from({ length: connections }, async () => {
    while (performance.now() < start + SECONDS * 1_000) {
      await sql.unsafe(statement, [], { prepare: true });
      commits++;
    }
  }));
  const seconds = (performance.now() - start) / 1_000;
  await sql.end();
  return { commits, seconds };
};
