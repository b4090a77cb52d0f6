begin;
select plan(9);
select tests.all_is_well();
create table public.orders (id integer primary key);
create function public.check_orders(p_entities text[] default null) returns table (entity text, expected text, actual text, details jsonb)
language sql stable set search_path = '' as $$
  select o.id::text, 'no order', 'an order', '{"seen": true}'::jsonb from public.orders o where p_entities is null or o.id = any (p_entities::integer[])
$$;
insert into public.orders values (17);
select register_invariant('NO_ORDERS', 'check_orders', 'P1');
select run_invariant('NO_ORDERS'), score_drift(), evaluate_health();
select private.audit('orders', 'ada', 'orders.imported', 'table:orders', 'done');
select tests.follow('00:00');
create temp table snapshot as select snapshot as s from public.incidents;

select is((select (s #> '{violations,0}') - 'detected_at' from snapshot), '{"entity": "17", "expected": "no order", "actual": "an order", "details": {"seen": true}}', 'what violated the invariant');
select is((select s #>> '{history,0,action}' from snapshot), 'invariant.registered', 'what was done to it before');
select is((select s #>> '{recent,0,action}' from snapshot), 'orders.imported', 'what happened elsewhere just before');
select is((select s #>> '{mode,mode}' from snapshot), 'normal', 'the mode');
select is((select s #> '{drift,score}' from snapshot), '75', 'how far the data had drifted');
select is((select s #>> '{drift,lost,0,invariant}' from snapshot), 'NO_ORDERS', 'because of what');

select is((select s -> 'health' from snapshot) - 'created_at', (select jsonb_build_object('score', score, 'grade', grade) from public.health_scores), 'and how healthy the platform was');

delete from public.orders;
select run_invariant('NO_ORDERS'), tests.follow('00:01');
insert into public.orders values (18);
select run_invariant('NO_ORDERS');
select is(tests.follow('00:02'), '{"reopened": 1}', 'an incident that is opened again');
select is((select snapshot from public.incidents), (select s from snapshot), 'keeps the snapshot of the first time');

select * from finish();
rollback;
