/** The second lane: the database tests and the timers on Debian's PostgreSQL 15 with the real pg_cron. */
import { join } from "node:path";
import { rm } from "node:fs/promises";
import postgres from "postgres";
import { bootstrapSql } from "../stack/bootstrap.ts";
import { asSuperuser, databaseUrl, throwAwayFolder } from "../stack/database.ts";
import { migrateAndSeed, runSupabaseCli } from "../stack/migrate.ts";
import { prepareHome, projectRoot } from "../stack/paths.ts";
import { freePort } from "../stack/ports.ts";
import { exists } from "../stack/files.ts";
import { createCluster, startCluster } from "../stack/postgres.ts";
import { ordinaryUser } from "../stack/postgres-programs.ts";
import { loadSecrets } from "../stack/secrets.ts";
import { pgTapPart } from "./pgtap.ts";
import type { PartResult, TestReport } from "./report.ts";

const packages = [
  "postgresql-15",
  "postgresql-15-cron",
  "postgresql-15-pgtap",
  "postgresql-15-plpgsql-check",
];
const extensions = ["pg_cron", "pgtap", "plpgsql_check"];
const binFolder = "/usr/lib/postgresql/15/bin";
const timersMustRunWithinMs = 300_000;

/** Runs the lane where its packages are installed; installs them first when `CI=true`; otherwise says what is missing. */
export async function runDebianLane(report: TestReport, pgTapFiles: string[]): Promise<void> {
  const missing = await missingPackages();
  if (missing && !await installPackages()) {
    return report.skip(
      "Debian's PostgreSQL 15",
      `${missing} is not there (apt-get install ${packages.join(" ")})`,
    );
  }
  const home = await prepareHome();
  const secrets = await loadSecrets(home);
  const programs = { bin: binFolder, user: ordinaryUser() };
  const data = await throwAwayFolder(home);
  const port = freePort();
  await createCluster(programs, data, secrets.databasePassword);
  const cluster = await startCluster(programs, data, {
    port,
    password: secrets.databasePassword,
    durable: false,
    settings: {
      shared_preload_libraries: "pg_cron",
      "cron.database_name": "postgres",
      "cron.use_background_workers": "on",
      max_worker_processes: "20",
    },
  });
  const url = databaseUrl(port, secrets);
  try {
    await report.part(
      "migrations on Debian's PostgreSQL 15, with an older project's default grants",
      async () => {
        await asSuperuser(port, secrets, bootstrapSql(secrets.databasePassword, "all") + extensionsSql);
        await migrateAndSeed(projectRoot, url);
        return { passed: 1, failed: 0, details: "" };
      },
    );
    await report.part("supabase db lint", () => lint(url));
    // pgTAP comes after the linter, which would complain about it.
    await asSuperuser(port, secrets, "create extension pgtap with schema extensions");
    // Timers that run meanwhile would write between the lines of a test.
    await asSuperuser(port, secrets, "update cron.job set active = false");
    await report.part("pgTAP on Debian's PostgreSQL 15", () => pgTapPart(url, pgTapFiles));
    await asSuperuser(port, secrets, "update cron.job set active = true");
    await report.part("timers run by pg_cron", () => timersRun(url));
  } finally {
    await cluster.stop();
    await rm(data, { recursive: true, force: true });
  }
}

// On the hosted platform, postgres may create these extensions itself, superuser or not.
const extensionsSql = `
create extension plpgsql_check with schema extensions;
create extension pg_cron;
grant usage on schema cron to postgres;
grant select, update on cron.job to postgres;
grant select, insert, delete on cron.job_run_details to postgres;`;

async function missingPackages(): Promise<string | undefined> {
  if (!await exists(join(binFolder, "postgres"))) return "postgresql-15";
  for (const name of extensions) {
    if (!await exists(`/usr/share/postgresql/15/extension/${name}.control`)) return `the extension ${name}`;
  }
}

async function installPackages(): Promise<boolean> {
  if (Deno.env.get("CI") !== "true" || Deno.uid() !== 0 || !await exists("/usr/bin/apt-get")) return false;
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...packages]]) {
    const { success, stderr } = await new Deno.Command("apt-get", {
      args: ["-qq", ...args],
      env: { DEBIAN_FRONTEND: "noninteractive" },
    }).output();
    if (!success) throw new Error(`apt-get ${args[0]} failed: ${new TextDecoder().decode(stderr)}`);
  }
  return true;
}

/** The linter must report nothing at all. */
async function lint(url: string): Promise<PartResult> {
  const output = await runSupabaseCli(projectRoot, ["db", "lint", `--remote=${url}`, "--fail-on=warning"]);
  const clean = output.includes("No schema errors found");
  return { passed: clean ? 1 : 0, failed: clean ? 0 : 1, details: output };
}

/** What must come true; `broken`: it cannot any more. */
interface Check {
  name: string;
  holds: boolean;
  broken: boolean;
}

/** Every enabled timer must become a job that pg_cron runs with success; one that fails or hangs must be seen to. */
async function timersRun(url: string): Promise<PartResult> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql`insert into public.receipts (payer, amount_minor, currency) values ('ada', 100, 'EUR')`;
    await sql`insert into public.timers (name, schedule, command, description) values ('failing', '* * * * *',
      'insert into public.schedulers values (''left-behind'', ''1 day''); select 1 / 0', '')`;
    await sql`select private.install_timers()`;
    const running = await waitForTimers(() =>
      sql<Check[]>`
      select t.name || ' is a job, and succeeds' || coalesce(': ' || t.last_error, '') as name,
        t.succeeded_at is not null as holds, j.jobid is null or t.last_error is not null as broken
      from public.timers t left join cron.job j
        on j.jobname = t.name and j.schedule = t.schedule and j.command = private.timer_command(t) and j.active
      where t.enabled and t.schedule = '* * * * *' and t.name <> 'failing'
      union all
      select 'seal-audit sealed the receipt',
        exists (select from public.audit_blocks where table_name = 'receipts' and rows = 1), false
      union all
      select 'a timer that fails says why, and leaves nothing behind', t.last_error ~ 'division by zero',
        t.succeeded_at is not null or exists (select from public.schedulers where name = 'left-behind')
      from public.timers t where t.name = 'failing'`
    );
    // Last, as pg_cron 1.4 starts nothing else while one of its background workers hangs.
    await sql`insert into public.timers (name, schedule, command, description)
      values ('hanging', '* * * * *', 'select pg_sleep(600)', '')`;
    const hanging = await waitForTimers(async () => {
      await sql`update public.timers set installed_at = now() - interval '1 hour' where name = 'hanging' and exists (
        select from cron.job_run_details r join cron.job j on j.jobid = r.jobid
        where j.jobname = 'hanging' and r.status = 'running')`;
      return await sql<Check[]>`
        select 'a timer that hangs is late' as name, t.state = 'late' as holds, t.succeeded_at is not null as broken
        from public.timer_status t where t.name = 'hanging'`;
    });
    const checks = [...running, ...hanging];
    const failed = checks.filter(({ holds, broken }) => broken || !holds);
    return {
      passed: checks.length - failed.length,
      failed: failed.length,
      details: failed.map(({ name }) => `It does not hold that ${name}`).join("\n"),
    };
  } finally {
    await sql.end();
  }
}

/** Asks until all holds, or something cannot hold any more, or it took too long. */
async function waitForTimers(ask: () => Promise<Check[]>): Promise<Check[]> {
  for (const deadline = Date.now() + timersMustRunWithinMs;;) {
    const checks = await ask();
    if (checks.every(({ holds }) => holds) || checks.some(({ broken }) => broken) || Date.now() > deadline) {
      return checks;
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
