begin;
select plan(12);

create table public.orders (id bigint primary key, total_minor bigint not null);
create table public.order_lines (order_id bigint not null, amount_minor bigint not null);
create function public.check_order_totals(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$
  select o.id::text, coalesce(sum(l.amount_minor), 0)::text, o.total_minor::text, jsonb_build_object('note', repeat('x', case o.id when 1 then 3 else 5000 end))
  from public.orders o left join public.order_lines l on l.order_id = o.id
  where p_entities is null or o.id = any (p_entities::bigint[])
  group by o.id having o.total_minor <> coalesce(sum(l.amount_minor), 0);
$$;
-- A transaction does not know its own end: what it changed is looked at in each of its runs, unless it is forgotten.
create function pg_temp.run(p_mode text default 'auto') returns text language plpgsql as $$
declare
  r jsonb := run_invariant('ORDER_TOTAL', p_mode);
begin
  delete from private.entity_changes;
  return concat_ws(' ', r ->> 'mode', 'checked', coalesce(r ->> 'checked', 'all'), 'open', r ->> 'open_violations', 'opened', r ->> 'opened', 'cleared', r ->> 'cleared');
end $$;
select register_invariant('ORDER_TOTAL', 'check_order_totals', 'P1', '{"orders": "id", "order_lines": "order_id"}');

insert into public.orders values (1, 90), (2, 0);
insert into public.order_lines values (1, 60), (1, 30);
select is(pg_temp.run(), 'full checked all open 0 opened 0 cleared 0', 'the first run looks at everything, and all is well');

update public.order_lines set amount_minor = 40 where amount_minor = 30;
select is(pg_temp.run(), 'incremental checked 1 open 1 opened 1 cleared 0', 'the next one looks at what changed, and finds what is wrong');
select is(
  (select (entity, expected, actual, details, detected_at = now(), cleared_at)::text from public.invariant_violations), '(1,100,90,"{""note"": ""xxx""}",t,)',
  'the violation says which entity, what would be right, and what is there');
select is(pg_temp.run(), 'incremental checked 1 open 1 opened 0 cleared 0', 'what is wrong is looked at again');
select is(pg_temp.run('full'), 'full checked all open 1 opened 0 cleared 0', 'a full run says the same');

update public.order_lines set amount_minor = 50 where amount_minor = 40;
select pg_temp.run();
select is((select string_agg(expected, ',') from public.invariant_violations), '110', 'an open violation is as it is now, not as it was');

update public.orders set total_minor = 110 where id = 1;
select is(pg_temp.run(), 'incremental checked 1 open 0 opened 0 cleared 1', 'what was mended is cleared');
select is((select (cleared_at = now(), cleared_by)::text from public.invariant_violations), '(t,gone)', 'it is closed, not deleted');
update public.orders set total_minor = 0 where id = 1;
select pg_temp.run();
select is((select count(*) from public.invariant_violations), 2::bigint, 'what breaks again is a violation of its own');
delete from public.orders where id = 1;
select is(pg_temp.run(), 'incremental checked 1 open 0 opened 0 cleared 1', 'what is deleted breaks nothing');

insert into public.orders select i, 1 from generate_series(11, 40) i;
select is(jsonb_array_length(run_invariant('ORDER_TOTAL') -> 'violations'), 20, 'the answer has 20 samples');
select cmp_ok((select max(pg_column_size(details)) from public.invariant_violations), '<', 2100, 'details are cut at 2 kB');

select * from finish();
rollback;
