import assert from "node:assert/strict";
import postgres from "postgres";
import { testDatabase } from "../testing/stack.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });

Deno.test("as on the hosted platform, postgres owns the database but is no superuser", async () => {
  const [role] = await sql`
    select rolsuper, rolcreatedb, rolcreaterole, rolbypassrls,
      (select datdba::regrole::text from pg_database where datname = current_database()) as owner
    from pg_roles where rolname = current_user`;
  assert.deepEqual({ ...role }, {
    rolsuper: false,
    rolcreatedb: true,
    rolcreaterole: true,
    rolbypassrls: true,
    owner: "postgres",
  });
});

Deno.test("however old its template is, a database was not late from its first moment on", async () => {
  const [late] = await sql`
    select (select count(*)::int from public.timers where installed_at < pg_postmaster_start_time()) as timers,
      (select count(*)::int from private.scan_watermark where scanned_until < pg_postmaster_start_time()) as scans`;
  assert.deepEqual({ ...late }, { timers: 0, scans: 0 });
});

Deno.test("what needs a superuser fails", async () => {
  for (
    const statement of [
      "set session_replication_role = replica",
      "create event trigger spy on ddl_command_end execute function suppress_redundant_updates_trigger()",
      "select pg_read_file('/etc/passwd')",
      "copy (select 1) to program 'true'",
    ]
  ) await assert.rejects(sql.unsafe(statement), { code: "42501" }, statement);
});

Deno.test("postgres and authenticator can become each role of a request", async () => {
  for (const role of ["anon", "authenticated", "service_role"]) {
    const [{ mine, theirs }] = await sql`
      select pg_has_role('postgres', ${role}, 'member') as mine, pg_has_role('authenticator', ${role}, 'member') as theirs
    ` as [{ mine: boolean; theirs: boolean }];
    assert.ok(mine && theirs, role);
  }
});

Deno.test("a request's claims are found in either form", async () => {
  const id = "00000000-0000-4000-8000-000000000001";
  const claims = JSON.stringify({ sub: id, role: "authenticated", email: "a@example.com" });
  const rows = await sql.begin((transaction) => [
    transaction`select set_config('request.jwt.claims', ${claims}, true)`,
    transaction`select auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'sub' as sub`,
  ]);
  assert.deepEqual({ ...rows[1]![0] }, { uid: id, role: "authenticated", email: "a@example.com", sub: id });
  const [none] = await sql`select auth.uid(), auth.role()`;
  assert.deepEqual({ ...none }, { uid: null, role: null });
});

Deno.test("new tables of public are nobody's until a migration grants them", async () => {
  await sql`create table public.fresh ()`;
  for (const role of ["anon", "authenticated", "service_role"]) {
    const [{ allowed }] =
      await sql`select has_table_privilege(${role}, 'public.fresh', 'select') as allowed` as [
        { allowed: boolean },
      ];
    assert.equal(allowed, false, role);
  }
});

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});
