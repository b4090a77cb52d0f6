begin;
select plan(10);

create table public.shelves (id integer primary key, weight integer not null);
create function public.check_shelves(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$
  -- Each twice, as a careless join would.
  select s.id::text, 'at least 0', s.weight::text, null::jsonb from public.shelves s cross join generate_series(1, 2)
  where s.weight < 0 and (p_entities is null or s.id = any (p_entities::integer[]))
$$;
create function pg_temp.run(p_mode text default 'auto') returns text language plpgsql as $$
declare
  v_answer jsonb := run_invariant('A', p_mode);
begin
  delete from private.entity_changes;
  return (select concat_ws(' ', v_answer ->> 'mode', 'open', v_answer ->> 'open_violations', 'opened', v_answer ->> 'opened', 'cleared', v_answer ->> 'cleared',
      case when i.truncated then 'truncated' end, 'stored', string_agg(v.entity, ',' order by v.entity::integer))
    from public.invariants i left join public.invariant_violations v on v.invariant = i.name and v.cleared_at is null where i.name = 'A' group by i.truncated);
end $$;
update public.settings set value = '3' where name = 'max_stored_violations';
select register_invariant('A', 'check_shelves', 'P1', '{"shelves": "id"}');
insert into public.shelves select i, case when i in (5, 6) then -1 else 1 end from generate_series(1, 10) i;

select is(pg_temp.run(), 'full open 2 opened 2 cleared 0 stored 5,6', 'an entity is counted once, however often the check returns it');
update public.shelves set weight = -1 where id in (1, 2, 6);
select is(pg_temp.run(), 'incremental open 4 opened 1 cleared 0 truncated stored 1,5,6', 'beyond the limit violations are counted');
update public.shelves set weight = 1 where id = 1;
select is(pg_temp.run('incremental'), 'full open 3 opened 1 cleared 1 stored 2,5,6', 'while some are not stored everything is looked at');
update public.shelves set weight = -1;
select is(pg_temp.run(), 'incremental open 10 opened 0 cleared 0 truncated stored 2,5,6', 'those that are open stay the same ones');
select is(pg_temp.run(), 'full open 10 opened 0 cleared 0 truncated stored 2,5,6', 'in every run');
update public.shelves set weight = 1 where id = 5;
select is(pg_temp.run(), 'full open 9 opened 1 cleared 1 truncated stored 1,2,6', 'another one takes the place of one that was mended');
update public.shelves set weight = 1 where id > 2;
select is(pg_temp.run(), 'full open 2 opened 0 cleared 1 stored 1,2', 'until all of them fit again');
select is(pg_temp.run(), 'incremental open 2 opened 0 cleared 0 stored 1,2', 'and what changed is enough again');
update public.settings set value = '1' where name = 'max_stored_violations';
select is(pg_temp.run('full'), 'full open 2 opened 0 cleared 0 stored 1,2', 'a limit that is lowered ends no violation');
select throws_ok($$insert into public.invariant_violations (invariant, entity, detected_at, seen_at) values ('A', '1', now(), now())$$, '23505', null,
  'an entity violates an invariant once at a time');

select * from finish();
rollback;
