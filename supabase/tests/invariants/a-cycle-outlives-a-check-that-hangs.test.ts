/** The timer's command as pg_cron sends it: each statement has a timeout of its own, and none fails the others. */
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import postgres, { type Sql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";
import { createShelves } from "./shelves.ts";

const database = await testDatabase();
const connect = () => postgres(database.url, { max: 1, onnotice: () => {}, fetch_types: false });
const [sql, timer, other] = [connect(), connect(), connect()];
await createShelves(sql);
await sql.unsafe(`
  create function public.check_for_ever(p_entities text[] default null)
  returns table (entity text, expected text, actual text, details jsonb) language sql set search_path = '' as $$
    select 'none', null, pg_sleep(case when p_entities is null then 3600 else 0 end)::text, null::jsonb where false or p_entities is null
  $$;
  create function public.check_that_throws(p_entities text[] default null)
  returns table (entity text, expected text, actual text, details jsonb) language plpgsql set search_path = '' as $$
  begin
    if p_entities is null then raise exception 'It is broken.'; end if;
  end $$;
  update public.invariants set priority = 'P4' where name = 'SHELVES';
  select register_invariant('FOR_EVER', 'check_for_ever', 'P1', p_statement_timeout => '1 second'),
    register_invariant('THROWS', 'check_that_throws', 'P2');
  insert into public.shelves values (1, 10);
  insert into public.boxes values (1, 1, 11);`).simple();

Deno.test.afterAll(async () => {
  await Promise.all([sql.end(), timer.end(), other.end()]);
  await database.stop();
});

async function runCycle(connection: Sql): Promise<void> {
  const [{ command }] = await connection<[{ command: string }]>`
    select command from timers where name = 'invariants'`;
  await connection.unsafe(command).simple();
}

Deno.test("a check that hangs or throws becomes an error of its invariant, and the others are run", async () => {
  await runCycle(timer);
  const rows =
    await sql`select name, last_error ->> 'code' as code, last_ok_at is not null as ok, open_violations::int as open
    from invariants where name in ('FOR_EVER', 'THROWS', 'SHELVES') order by name`;
  deepEqual([...rows], [
    { name: "FOR_EVER", code: "invariant.timeout", ok: false, open: 0 },
    { name: "SHELVES", code: null, ok: true, open: 1 },
    { name: "THROWS", code: "invariant.failed", ok: false, open: 0 },
  ]);
  const [{ message }] = await sql<[{ message: string }]>`
    select last_error ->> 'message' as message from invariants where name = 'FOR_EVER'`;
  match(message, /statement timeout after 00:00:0\d/);
  const [score] = await sql`select jsonb_array_length(unknown) >= 2 as unknown from drift_scores`;
  equal(score!.unknown, true);
});

Deno.test("an invariant that somebody runs already holds up no other", async () => {
  await sql`update invariants set last_run_at = null where name in ('SHELVES', 'THROWS')`;
  const [before] = await sql`select count(*)::int as runs from invariant_runs where invariant = 'FOR_EVER'`;
  await sql`begin`;
  await sql`select from invariants where name = 'FOR_EVER' for no key update`;
  await runCycle(timer);
  await sql`commit`;
  const [after] = await sql`
    select count(*) filter (where invariant = 'FOR_EVER')::int as runs,
      (select bool_and(last_run_at is not null) from invariants) as others from invariant_runs`;
  deepEqual([after!.runs, after!.others], [before!.runs, true]);
});

Deno.test("a person who cancels the cycle cancels it", async () => {
  const [before] = await sql`select count(*)::int as runs from invariant_runs`;
  const [{ pid }] = await timer<[{ pid: number }]>`select pg_backend_pid() as pid`;
  await sql`update invariants set statement_timeout = '10 minutes' where name = 'FOR_EVER'`;
  const cycle = rejects(() => runCycle(timer), { code: "57014", message: /user request/ });
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const [row] = await sql`select from pg_stat_activity where pid = ${pid} and wait_event = 'PgSleep'`;
    if (row) break;
  }
  await sql`select pg_cancel_backend(${pid})`;
  await cycle;
  const [after] = await sql`select count(*)::int as runs from invariant_runs`;
  equal(after!.runs, before!.runs);
});

Deno.test("what two people switch off at the same time is not run any more", async () => {
  const [{ pid }] = await other<[{ pid: number }]>`select pg_backend_pid() as pid`;
  await timer`begin`;
  await timer`select set_invariant_enabled('SHELVES', false)`;
  const later = other`select set_invariant_enabled('THROWS', false)`.execute();
  const deadline = Date.now() + 30_000;
  for (let waits = false; !waits && Date.now() < deadline;) {
    const [row] = await sql`select cardinality(pg_blocking_pids(${pid})) > 0 as waits`;
    waits = row!.waits;
  }
  await timer`commit`;
  await later;
  const [row] = await sql`select command ~ 'SHELVES|THROWS' as runs from timers where name = 'invariants'`;
  equal(row!.runs, false);
});

Deno.test("a cycle does not wait for people who follow incidents", async () => {
  await other`begin`;
  await other`select private.lock_incidents()`;
  await sql`update invariants set last_run_at = null, statement_timeout = '1 second'`;
  const [{ command }] = await sql<[{ command: string }]>`
    select command from timers where name = 'invariants'`;
  await timer.unsafe(command.replaceAll("'60s'", "'5s'")).simple();
  await other`rollback`;
  const [row] = await sql`select bool_and(last_run_at is not null) as ran from invariants where enabled`;
  equal(row!.ran, true);
});
