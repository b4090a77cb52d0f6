begin;
select plan(5);
select tests.all_is_well();
create function public.check_nothing(p_entities text[] default null) returns table (entity text, expected text, actual text, details jsonb)
language sql stable set search_path = '' as $$ select '1', 'a', 'b', null::jsonb where p_entities is null $$;
select register_invariant('NOTHING', 'check_nothing', 'P3'), run_invariant('NOTHING'), tests.follow('00:00');
create function pg_temp.priority() returns text language sql as $$ select priority from public.incidents $$;

select is(pg_temp.priority(), 'P3', 'an incident has the priority of what is wrong');
select register_invariant('NOTHING', 'check_nothing', 'P1'), run_invariant('NOTHING'), tests.follow('00:01');
select is(pg_temp.priority(), 'P1', 'and is raised with it');
select is((select array_agg(payload ->> 'from_priority') from public.audit_log where action = 'incident.raised' and result = 'P1'), '{P3}', 'which is recorded');
select register_invariant('NOTHING', 'check_nothing', 'P4'), run_invariant('NOTHING'), tests.follow('00:02'), tests.follow('00:03');
select is(pg_temp.priority(), 'P1', 'it stays as grave as it was');
select is((select count(*) from public.audit_log where action = 'incident.raised'), 1::bigint, 'recorded once');

select * from finish();
rollback;
