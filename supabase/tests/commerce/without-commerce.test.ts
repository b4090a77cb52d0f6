/** The platform of a project that has tables of its own, and leaves the example shop out. */
import { deepEqual, equal } from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { bootstrapSql } from "../../../scripts/stack/bootstrap.ts";
import { asSuperuser, databaseUrl, throwAwayFolder } from "../../../scripts/stack/database.ts";
import { migrateAndSeed } from "../../../scripts/stack/migrate.ts";
import { prepareHome, projectRoot } from "../../../scripts/stack/paths.ts";
import { freePort } from "../../../scripts/stack/ports.ts";
import { createCluster, startCluster } from "../../../scripts/stack/postgres.ts";
import { unpackPostgres } from "../../../scripts/stack/postgres-programs.ts";
import { loadSecrets } from "../../../scripts/stack/secrets.ts";

const home = await prepareHome();
const secrets = await loadSecrets(home);
const programs = await unpackPostgres(home);
const data = await throwAwayFolder(home);
const project = await Deno.makeTempDir();
const port = freePort();
await createCluster(programs, data, secrets.databasePassword);
const cluster = await startCluster(programs, data, {
  port,
  password: secrets.databasePassword,
  durable: false,
});
const sql = postgres(databaseUrl(port, secrets), { max: 1, onnotice: () => {} });

Deno.test.beforeAll(async () => {
  await asSuperuser(port, secrets, bootstrapSql(secrets.databasePassword, "none"));
  for (const name of ["config.toml", "seed.sql", "migrations"]) {
    await cp(join(projectRoot, "supabase", name), join(project, "supabase", name), {
      recursive: true,
      filter: (path) => !path.includes("_commerce"),
    });
  }
  await migrateAndSeed(project, databaseUrl(port, secrets));
});

Deno.test.afterAll(async () => {
  await sql.end();
  await cluster.stop();
  await rm(data, { recursive: true, force: true });
  await rm(project, { recursive: true });
});

Deno.test("without the example nothing is guarded by it, and drift is unknown, not perfect", async () => {
  const [row] = await sql`
    select to_regclass('public.sales') as sales, (select count(*)::int from invariants) as invariants,
      score_drift() ->> 'score' as drift, read_system_health() #>> '{components,integrity,state}' as integrity`;
  deepEqual({ ...row }, { sales: null, invariants: 0, drift: null, integrity: "unknown" });
  const guarded = await sql`select from guarded_tables where table_name in ('sales', 'products')`;
  equal(guarded.length, 0);
});

/** A turn of the timers, one after the other. */
async function turn(...timers: string[]): Promise<void> {
  for (const name of timers) {
    const [timer] = await sql`select command from timers where name = ${name}`;
    await sql.unsafe(`begin; ${timer!.command}; commit`);
  }
}

Deno.test("a project's own invariant is checked by the timer, and is an incident when it is violated", async () => {
  await sql.unsafe(`
    create table public.seats (flight text, seat text);
    create function public.check_seats(p_entities text[] default null)
    returns table (entity text, expected text, actual text, details jsonb) language sql set search_path = '' as $$
      select flight || ' ' || seat, '1', count(*)::text, null::jsonb from public.seats group by flight, seat having count(*) > 1
    $$;
    select register_invariant('SEATS_ARE_SOLD_ONCE', 'check_seats', 'P1');
    insert into public.seats values ('X1', '1A'), ('X1', '1A')`);
  await turn("invariants", "incidents");
  deepEqual([...await sql`select dedup_key, priority, status from incidents where source = 'invariant'`], [
    { dedup_key: "invariant:SEATS_ARE_SOLD_ONCE", priority: "P1", status: "AUTO_HEALING" },
  ]);
  await sql`delete from public.seats`;
  await turn("invariants", "incidents");
  const [incident] = await sql`select status, auto_healed from incidents where dedup_key like 'invariant:%'`;
  deepEqual({ ...incident }, { status: "RESOLVED", auto_healed: true });
});
