begin;
select plan(6);

delete from public.invariants;
create table public.shelves (id bigint primary key);
create function public.check_shelves(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$ select '', '', '', null::jsonb where false $$;
select register_invariant('A', 'check_shelves', 'P1', '{"shelves": "id"}'), register_invariant('B', 'check_shelves', 'P1', '{"shelves": "id"}');
select run_invariant('A'), run_invariant('B');
insert into public.shelves values (1);
-- As if an earlier transaction had done it.
update private.entity_changes set xid = '10';
create function pg_temp.left_after(p_now timestamptz default now()) returns bigint language plpgsql as $$
begin
  perform private.forget_changes(p_now);
  return (select count(*) from private.entity_changes);
end $$;

update public.invariants set watermark = '20:20:' where name = 'A';
update public.invariants set watermark = '10:20:10' where name = 'B';
select is(pg_temp.left_after(), 1::bigint, 'what one invariant has not seen is kept');
select is((select array_agg(name)::text from public.invariants i join private.entity_changes c on not pg_visible_in_snapshot(c.xid, i.watermark)), '{B}', 'for that one');
update public.invariants set watermark = '11:20:' where name = 'B';
select is(pg_temp.left_after(), 0::bigint, 'what all have seen is forgotten');

insert into public.shelves values (2);
update private.entity_changes set xid = '30';
select is(pg_temp.left_after(), 1::bigint, 'what nobody has seen is kept');
update public.invariants set last_ok_at = now() - interval '7 hours' where name = 'B';
update public.invariants set watermark = '40:40:' where name = 'A';
select is(pg_temp.left_after(), 0::bigint, 'but not for an invariant that has been failing for hours');
select is((select array_agg(name)::text from public.invariants where watermark is null), '{B}', 'that one will look at everything');

select * from finish();
rollback;
