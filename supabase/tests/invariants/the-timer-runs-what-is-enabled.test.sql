begin;
select plan(15);

delete from public.invariants;
create table public.shelves (id bigint primary key);
create function public.check_shelves(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$ select '', '', '', null::jsonb where false $$;
create function pg_temp.command() returns text language sql as $$ select command from public.timers where name = 'invariants' $$;
create function pg_temp.triggers() returns bigint language sql as $$ select count(*) from pg_trigger where tgrelid = 'public.shelves'::regclass and not tgisinternal $$;

select is(pg_temp.command(), 'set local statement_timeout = ''60s''; select private.finish_invariant_cycle()', 'without invariants a cycle scores the drift');
select register_invariant('B', 'check_shelves', 'P2', '{"shelves": "id"}'), register_invariant('C', 'check_shelves', 'P1', p_statement_timeout => '1.5 seconds');
select is(pg_temp.command(), 'set local statement_timeout = ''1500ms''; select private.run_scheduled_invariant(''C''); set local statement_timeout = ''30000ms''; select private.run_scheduled_invariant(''B''); set local statement_timeout = ''60s''; select private.finish_invariant_cycle()',
  'each invariant runs under its own timeout, the most urgent one first');
select is(pg_temp.triggers(), 4::bigint, 'what is watched has triggers');
select run_invariant('B');

select set_invariant_enabled('B', false, 'user:ada');
select is((position('''B''' in pg_temp.command()), pg_temp.triggers())::text, '(0,0)', 'one that is switched off is neither run nor recorded for');
select is((select (actor, resource)::text from public.audit_log where action = 'invariant.disabled'), '(user:ada,invariant:B)', 'it is on record who switched it off');
select set_invariant_enabled('B', false, 'user:bo');
select is((select count(*) from public.audit_log where action = 'invariant.disabled'), 1::bigint, 'once');
select set_invariant_enabled('B', true, 'user:ada');
select is((position('''B''' in pg_temp.command()) > 0, pg_temp.triggers(), (select watermark from public.invariants where name = 'B') is null)::text, '(t,4,t)',
  'switched on again it begins with everything');

select register_invariant('B', 'check_shelves', 'P3', p_description => 'Shelves are well');
select is((select (priority, description, watches::text)::text from public.invariants where name = 'B'), '(P3,"Shelves are well",{})', 'registering a name again changes it');
select is(pg_temp.triggers(), 0::bigint, 'what nobody watches any more loses its triggers');

select lives_ok(pg_temp.command(), 'the command runs');
select is((select array_agg(invariant order by id)::text from public.invariant_runs where started_at = now() and mode = 'full' and reason = 'unwatched'), '{C,B}', 'and runs them all');
select is((select count(*) from public.drift_scores where created_at = now()), 1::bigint, 'and scores the drift');

insert into public.invariant_runs (invariant, mode, reason, started_at, duration_ms, opened, cleared, corrected) values ('B', 'full', 'asked', now() - interval '31 days', 1, 0, 0, 0);
insert into public.drift_scores (score, lost, unknown, created_at) values (100, '[]', '[]', now() - interval '366 days');
select private.finish_invariant_cycle();
select is((select count(*) from public.invariant_runs where reason = 'asked') + (select count(*) from public.drift_scores where created_at < now()), 0::bigint, 'what is old is forgotten');

create function public.mend_shelves(p_entities text[]) returns setof jsonb language sql as $$ select null::jsonb where false $$;
select register_invariant('C', 'check_shelves', 'P1', p_correct => 'mend_shelves');
select cmp_ok(position('''C''' in pg_temp.command()), '>', position('''B''' in pg_temp.command()), 'one that corrects comes last, as what it changed stays locked until the cycle ends');

delete from public.invariants where name = 'C';
select is(position('''C''' in pg_temp.command()), 0, 'one that is removed is not run any more');

select * from finish();
rollback;
