-- Items may come before their sale; when it does not come, they go, and the log keeps them.
begin;
select plan(8);

create function pg_temp.run(p_minute integer, p_dry_run boolean default false) returns jsonb language sql as $$
  select run_invariant('NO_ORPHANED_SALE_ITEMS', 'auto', p_dry_run, now() + p_minute * interval '1 minute')
$$;
create function pg_temp.items() returns text[] language sql as
  'select array(select sale_id || chr(58) || quantity from public.sale_items order by sale_id, quantity)';

insert into public.products (id, sku, name, price_minor) overriding system value values (1, 'tea', 'Tea', 100);
insert into public.sales (id, total_minor, currency) overriding system value values (1, 200, 'EUR');
insert into public.sale_items (sale_id, product_id, quantity, unit_price_minor) values (1, 1, 2, 100), (2, 1, 7, 100), (3, 1, 8, 100), (3, 1, 9, 100);

select is((select array[r -> 'open_violations', r -> 'corrected'] from pg_temp.run(1) r), '{2,0}', 'what was just found may be waiting for its sale');
insert into public.sales (id, total_minor, currency) overriding system value values (2, 700, 'EUR');
select is(
  (select array_agg(i -> 'quantity' order by i -> 'quantity') from pg_temp.run(2, true) r, jsonb_array_elements(r -> 'would_correct') i), '{8,9}',
  'a dry run shows what would be deleted');
select is(pg_temp.items(), '{1:2,2:7,3:8,3:9}', 'and deletes nothing');
select is((select array[r -> 'open_violations', r -> 'corrected'] from pg_temp.run(5) r), '{0,1}', 'a run later, orphans are deleted');
select is(pg_temp.items(), '{1:2,2:7}', 'and only they');
select is(
  array(select a.payload #> '{row_before,quantity}' from public.audit_log a where a.action = 'invariant.corrected' order by 1), '{8,9}',
  'the log has the rows as they were');

insert into public.sale_items (sale_id, product_id, quantity, unit_price_minor) select 1000 + n, 1, 1, 100 from generate_series(1, 101) n;
select pg_temp.run(6);
select is((select array[r -> 'corrected', r -> 'open_violations'] from pg_temp.run(11) r), '{0,101}',
  'more than a hundred at once are not deleted: something else is wrong, and people must look');
select is((select last_error ->> 'code' from public.invariants where name = 'NO_ORPHANED_SALE_ITEMS'), 'invariant.too_many_to_correct', 'and learn so');

select * from finish();
rollback;
