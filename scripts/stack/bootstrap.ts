/**
 * What a hosted Supabase database already holds before a project's first migration: its roles, schemas and extensions.
 *
 * The superuser is `supabase_admin`. Migrations run as `postgres`, which owns the database but is no superuser, so that
 * a migration that would fail on the hosted platform fails here too.
 */
import { getAuthSchemaSql, getStorageSchemaSql } from "@supabase/lite";

/** Who may use new tables of `public` unless a migration says otherwise: newer hosted projects say no one, older ones everybody. */
export type DefaultGrants = "none" | "all";

/**
 * SQL to run once, as the superuser `supabase_admin`, in database `postgres` of a fresh PostgreSQL 15 or 17 cluster.
 *
 * @param password of the roles that can log in; must not contain a quote
 * @param defaultGrants see {@link DefaultGrants}
 */
export function bootstrapSql(password: string, defaultGrants: DefaultGrants): string {
  return `
create role postgres login createdb createrole replication bypassrls password '${password}';
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit password '${password}';
-- Instead of authenticator, the local API logs in as this role: unlike the hosted API it sees only the tables that it
-- may use itself, so it must inherit from the roles that it can become.
create role local_api login inherit password '${password}';
create role supabase_auth_admin noinherit createrole nologin;
create role supabase_storage_admin noinherit nologin;
grant anon, authenticated, service_role to authenticator, local_api;
grant anon, authenticated, service_role, authenticator to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;
alter role authenticator set statement_timeout = '8s';
alter role local_api set statement_timeout = '8s';

alter database postgres owner to postgres;
alter database postgres set search_path = "$user", public, extensions;
grant usage on schema public to anon, authenticated, service_role;

create schema extensions authorization postgres;
grant usage on schema extensions to anon, authenticated, service_role;
create extension pgcrypto with schema extensions;
create extension "uuid-ossp" with schema extensions;

create schema auth authorization supabase_auth_admin;
grant create on database postgres to supabase_auth_admin;
set role supabase_auth_admin;
${getAuthSchemaSql()}
${authFunctions}
reset role;
revoke create on database postgres from supabase_auth_admin;
grant usage on schema auth to postgres, anon, authenticated, service_role, local_api;
grant select, insert, update, delete, references, trigger, truncate on all tables in schema auth to postgres;
grant select, insert, update, delete on all tables in schema auth to local_api;

create schema storage authorization supabase_storage_admin;
grant create on database postgres to supabase_storage_admin;
set role supabase_storage_admin;
${getStorageSchemaSql()}
reset role;
revoke create on database postgres from supabase_storage_admin;
grant usage on schema storage to postgres, anon, authenticated, service_role, local_api;
grant all on all tables in schema storage to postgres, anon, authenticated, service_role, local_api;
create policy "the local API keeps the index" on storage.buckets to local_api using (true) with check (true);
create policy "the local API keeps the index" on storage.objects to local_api using (true) with check (true);
${defaultGrants === "all" ? grantEverything : ""}`;
}

// A request's claims arrive in one setting from PostgREST, and one by one from older versions and from the local API.
const authFunctions = [["uid", "sub", "uuid"], ["role", "role", "text"], ["email", "email", "text"]].map((
  [name, claim, type],
) => `
create function auth.${name}() returns ${type} language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.${claim}', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> '${claim}'
  )::${type}
$$;`).join("") + `
create function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb
$$;`;

const grantEverything = ["tables", "sequences", "functions"].map((kind) =>
  `alter default privileges for role postgres in schema public
  grant all on ${kind} to anon, authenticated, service_role;\n`
).join("");
