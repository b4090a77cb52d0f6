begin;
select plan(6);
select tests.all_is_well();
create table public.orders (id integer primary key);
insert into public.orders select generate_series(1, 10000);
create function public.check_orders(p_entities text[] default null) returns table (entity text, expected text, actual text, details jsonb)
language sql stable set search_path = '' as $$
  select o.id::text, 'no order', repeat('x', 400), jsonb_build_object('why', repeat('y', 1500)) from public.orders o where p_entities is null or o.id = any (p_entities::integer[])
$$;
select register_invariant('NO_ORDERS', 'check_orders', 'P1');
insert into public.audit_log (subsystem, actor, action, resource, result, payload)
select 'invariants', 'ada', 'invariant.registered', 'invariant:NO_ORDERS', 'registered', jsonb_build_object('why', repeat('z', 2000)) from generate_series(1, 30);

select run_invariant('NO_ORDERS');
select is(tests.follow('00:00'), '{"opened": 1}', 'ten thousand equal violations open one incident');
select tests.follow('00:15'), tests.follow('00:16');
select is((select (dedup_key, details ->> 'count')::text from public.incidents), '(invariant:NO_ORDERS,10000)', 'which says how many they are');
select is((select string_agg(payload ->> 'count', ' ') from public.outbox where kind = 'page' and payload ->> 'action' = 'trigger'), '10000', 'and pages once');

select is((select jsonb_array_length(snapshot -> 'violations') from public.incidents), 20, 'its snapshot has 20 of them');
select is((select jsonb_array_length(snapshot -> 'history') from public.incidents), 20, 'and the 20 newest entries about the invariant');
select cmp_ok((select octet_length(snapshot::text) from public.incidents), '<', 32768, 'however long all of that is, it stays small');

select * from finish();
rollback;
