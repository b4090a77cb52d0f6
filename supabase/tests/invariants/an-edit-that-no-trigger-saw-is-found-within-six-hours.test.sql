begin;
select plan(4);

create table public.shelves (id bigint primary key, weight integer not null default 0);
create function public.check_shelves(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$
  select s.id::text, 'at least 0', s.weight::text, null::jsonb from public.shelves s
  where s.weight < 0 and (p_entities is null or s.id = any (p_entities::bigint[]))
$$;
create function pg_temp.found(p_after interval) returns text language sql as $$
  select format('%s: %s', r.answer ->> 'mode', coalesce((
    select string_agg(format('%s is %s', v ->> 'entity', v ->> 'actual'), ', ') from jsonb_array_elements(r.answer -> 'violations') v), 'nothing'))
  from (select run_invariant('SHELVES', p_now => now() + p_after) as answer) r
$$;
insert into public.shelves select generate_series(1, 100);
select set_invariant_enabled(name, false) from public.invariants;
select register_invariant('SHELVES', 'check_shelves', 'P1', '{"shelves": "id"}');
select is(pg_temp.found('0'), 'full: nothing', 'all is well');
-- What the runs of a test see as changed by their own transaction is of no interest here.
delete from private.entity_changes;

alter table public.shelves disable trigger user;
update public.shelves set weight = -5 where id = 7;
alter table public.shelves enable trigger user;
do $$
declare
  v_trigger name;
begin
  for v_trigger in select tgname from pg_trigger where tgrelid = 'public.shelves'::regclass and not tgisinternal loop
    execute format('alter table public.shelves enable always trigger %I', v_trigger);
  end loop;
end $$;
select is(pg_temp.found('5 minutes'), 'incremental: nothing', 'an edit while the triggers are off is seen by no run of what changed');
select is(pg_temp.found('5 hours 59 minutes'), 'incremental: nothing', 'as long as it is six hours since all was looked at');
select is(pg_temp.found('6 hours 1 minute'), 'full: 7 is -5', 'then it is found');

select * from finish();
rollback;
