/** The migrations on a project that is already in use: an older one, whose new tables are open to everybody by default. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { bootstrapSql } from "../../scripts/stack/bootstrap.ts";
import { asSuperuser, databaseUrl } from "../../scripts/stack/database.ts";
import { migrateAndSeed } from "../../scripts/stack/migrate.ts";
import { prepareHome, projectRoot } from "../../scripts/stack/paths.ts";
import { freePort } from "../../scripts/stack/ports.ts";
import { createCluster, startCluster } from "../../scripts/stack/postgres.ts";
import { unpackPostgres } from "../../scripts/stack/postgres-programs.ts";
import { loadSecrets } from "../../scripts/stack/secrets.ts";
import { runPgTap } from "../../scripts/testing/pgtap.ts";

const existingProject = `
create table public.integrations_master (
  id uuid primary key default gen_random_uuid(), service_name text not null, display_name text default '', logo_url text);
create table public.user_integrations (
  id uuid primary key default gen_random_uuid(), user_id uuid references auth.users (id),
  integration_id uuid references public.integrations_master (id), access_token text, settings jsonb default '{}');
create table public.integration_events (
  id uuid primary key default gen_random_uuid(), user_id uuid, service_name text not null, event_type text not null,
  payload jsonb, created_at timestamptz default now());
create sequence public.receipts_immutable_seq;
create table public.receipts (
  id uuid primary key default gen_random_uuid(), payer text, amount_minor integer, currency text, shop text default 'north',
  immutable_seq integer not null unique default nextval('public.receipts_immutable_seq'));
insert into public.receipts (payer, amount_minor, currency) select 'ada', n, 'EUR' from generate_series(1, 1000) n;
alter table public.user_integrations enable row level security;
create policy "people see their own" on public.user_integrations for all to authenticated using (auth.uid() = user_id);
create policy "everybody may look" on public.integrations_master for select using (true);
insert into auth.users (id, email) values ('00000000-0000-4000-8000-00000000000a', 'ada@example.com');
insert into public.integrations_master (service_name, display_name) values ('slack', 'Slack'), ('stripe', 'Stripe');
insert into public.user_integrations (user_id, integration_id, access_token, settings)
  select '00000000-0000-4000-8000-00000000000a', id, 'in plain text', '{"channel": "#general"}' from public.integrations_master where service_name = 'slack';
insert into public.integration_events (service_name, event_type, payload)
  select 'slack', 'message.sent', jsonb_build_object('number', n) from generate_series(1, 1000) n;`;

const home = await prepareHome();
const secrets = await loadSecrets(home);
const programs = await unpackPostgres(home);
const data = join(home, "throw-away", `${Deno.pid}-${randomUUID().slice(0, 8)}`);
await Deno.mkdir(join(home, "throw-away"), { recursive: true });
const port = freePort();
await createCluster(programs, data, secrets.databasePassword);
const cluster = await startCluster(programs, data, {
  port,
  password: secrets.databasePassword,
  durable: false,
});
const url = databaseUrl(port, secrets);
const sql = postgres(url, { max: 1, onnotice: () => {} });

Deno.test.beforeAll(async () => {
  await asSuperuser(
    port,
    secrets,
    bootstrapSql(secrets.databasePassword, "all") + "create extension pgtap with schema extensions;",
  );
  await sql.unsafe(existingProject);
  await migrateAndSeed(projectRoot, url);
});

Deno.test.afterAll(async () => {
  await sql.end();
  await cluster.stop();
  await rm(data, { recursive: true, force: true });
});

Deno.test("rows and columns of an existing project are kept", async () => {
  deepEqual([
    ...await sql`select service_name, display_name, enabled, breaker_state, auto_recovery_enabled from integrations_master order by 1`,
  ], [
    {
      service_name: "slack",
      display_name: "Slack",
      enabled: true,
      breaker_state: "closed",
      auto_recovery_enabled: true,
    },
    {
      service_name: "stripe",
      display_name: "Stripe",
      enabled: true,
      breaker_state: "closed",
      auto_recovery_enabled: true,
    },
  ]);
  deepEqual(
    [...await sql`select access_token, settings, needs_reauth, token_version from user_integrations`],
    [
      {
        access_token: "in plain text",
        settings: { channel: "#general" },
        needs_reauth: false,
        token_version: 0,
      },
    ],
  );
  const [events] = await sql`
    select count(*)::int, count(distinct payload ->> 'number')::int as numbers, array_agg(distinct status) as states from integration_events`;
  deepEqual({ ...events }, { count: 1000, numbers: 1000, states: ["success"] });
});

Deno.test("no new token is stored in plain text", async () => {
  await rejects(sql`update user_integrations set access_token = 'again in plain text'`, { code: "23514" });
});

Deno.test("no table, token or function is open to visitors, whatever the project granted by default", async () => {
  for (const role of ["anon", "authenticated"]) {
    const reading = sql.begin(async (db) => {
      await db.unsafe(`set local role ${role}`);
      await db`select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-00000000000a"}', true)`;
      await db`select access_token from user_integrations`;
    });
    await rejects(reading, { code: "42501" });
  }
  const files = [
    "privileges/nobody-but-the-service-role-reaches-a-table",
    "conventions/functions-are-for-the-service-role",
  ];
  const results = await runPgTap(
    url,
    files.map((file) => join(projectRoot, "supabase/tests", `${file}.test.sql`)),
  );
  deepEqual(results.flatMap(({ problems }) => problems), []);
});

Deno.test("a failure of an existing integration is recorded, and healed by its next success", async () => {
  await sql`select tests.fail(1, 'slack', 'data', '{"plan": {"step": "tell", "action_taken": "Tell people"}}')`;
  await sql`insert into integration_events (service_name, event_type) values ('slack', 'message.sent')`;
  const [recovery] = await sql`select status from system_integrity_events where event_id = tests.id(1)`;
  equal(recovery!.status, "resolved");
});

Deno.test("receipts that were there keep their columns and numbers, and are immutable from now on", async () => {
  await sql`insert into receipts (payer, amount_minor, currency) values ('ada', 1001, 'EUR')`;
  const [row] = await sql`
    select array_agg(distinct shop) as shops, bool_and(immutable_seq = amount_minor or amount_minor > 1000) as numbered, seal_audit('receipts') -> 0 ->> 'size' as sealed,
      verify_audit_integrity('receipts') ->> 'valid' as valid from receipts`;
  deepEqual(row, { shops: ["north"], numbered: true, sealed: "1001", valid: "true" });
  await rejects(sql`update receipts set shop = 'south'`, { hint: "audit.immutable" });
});
