-- A check that finds nothing looks like data that are right: each invariant is shown something wrong, and its end.
begin;
select plan(9);

insert into public.products (id, sku, name, price_minor) overriding system value values (1, 'tea', 'Tea', 100);
insert into public."StockLedger" (product_id, kind, quantity) values (1, 'receipt', 3);
insert into public.customers (id, name, credit_limit_minor) overriding system value values (1, 'ada', 500);
insert into public.sales (id, customer_id, total_minor, currency, status) overriding system value
values (1, 1, 200, 'EUR', 'paid'), (2, null, 300, 'EUR', 'open');
insert into public.sale_items (sale_id, product_id, quantity, unit_price_minor) values (1, 1, 2, 100), (2, 1, 3, 100);
insert into public.payments (sale_id, customer_id, amount_minor) values (1, 1, 200);
insert into public.invoices (number, sale_id, amount_minor) values ('R-1', 1, 200);

create temp table planted (invariant text primary key, offence text, mend text, found text);
insert into planted values
  ('NO_NEGATIVE_STOCK', $$
    alter table public."StockLedger" disable trigger stock_is_moved;
    insert into public."StockLedger" (id, product_id, kind, quantity, balance_after) values (1000, 1, 'sale', -5, 0);
    alter table public."StockLedger" enable trigger stock_is_moved$$,
    $$insert into public."StockLedger" (product_id, kind, quantity) values (1, 'receipt', 5)$$, '1 is -2 instead of 0 or more'),
  ('SALE_TOTAL_MATCHES_LINE_ITEMS', 'update public.sale_items set quantity = 4 where sale_id = 2',
    'update public.sales set total_minor = 400 where id = 2', '2 is 300 instead of 400'),
  ('PAYMENT_SUM_MATCHES_SALE_TOTAL', 'insert into public.payments (sale_id, amount_minor) values (1, -1)',
    'delete from public.payments where amount_minor = -1', '1 is 199 instead of 200'),
  ('NO_DUPLICATE_INVOICES', $$insert into public.invoices (number, sale_id, amount_minor) values ('R-1', 2, 1)$$,
    $$update public.invoices set number = 'R-2' where sale_id = 2$$, 'R-1 is 2 instead of 1'),
  ('STOCK_MOVEMENT_BALANCE', 'update public.products set stock = stock + 7 where id = 1', 'update public.products set stock = stock - 7 where id = 1',
    '1 is 10 instead of 3'),
  ('CREDIT_LIMIT_NOT_EXCEEDED', 'update public.sales set customer_id = 1, total_minor = 501 where id = 2',
    'update public.customers set credit_limit_minor = null', '1 is 501 instead of at most 500'),
  ('NO_ORPHANED_SALE_ITEMS', 'insert into public.sale_items (sale_id, product_id, quantity, unit_price_minor) values (99, 1, 1, 1), (99, 1, 1, 1)',
    $$insert into public.sales (id, total_minor, currency) overriding system value values (99, 2, 'EUR')$$, '99 is 2 instead of 0');

create function pg_temp.without_offence() returns text[] language sql as
  'select array(select name from public.invariants where name not in (select invariant from planted) order by 1)';
create function pg_temp.run(p_invariant text, p_mode text) returns text language sql as $$
  select format('%s: %s', r ->> 'mode', coalesce((
    select string_agg(format('%s is %s instead of %s', v ->> 'entity', v ->> 'actual', v ->> 'expected'), ', ')
    from jsonb_array_elements(r -> 'violations') v), 'nothing'))
  from run_invariant(p_invariant, p_mode) r
$$;
create function pg_temp.story(p_planted planted) returns text[] language plpgsql as $$
declare
  v_story text[] := array[pg_temp.run(p_planted.invariant, 'full')];
begin
  -- In the end all is as it was, so that each offence is the only one.
  begin
    execute p_planted.offence;
    v_story := v_story || pg_temp.run(p_planted.invariant, 'incremental') || pg_temp.run(p_planted.invariant, 'full');
    execute p_planted.mend;
    v_story := v_story || pg_temp.run(p_planted.invariant, 'incremental') || pg_temp.run(p_planted.invariant, 'full');
    v_story := v_story || array(
      select v.cleared_by from public.invariant_violations v where v.invariant = p_planted.invariant order by v.id);
    raise exception using errcode = 'PT000';
  exception when sqlstate 'PT000' then null;
  end;
  return v_story;
end $$;

select is(pg_temp.without_offence(), '{}', 'every registered invariant has a planted offence');
select is(
  pg_temp.story(p), array['full: nothing', 'incremental: ' || found, 'full: ' || found, 'incremental: nothing', 'full: nothing', 'gone'],
  format('%s is found where it is violated, and cleared when it is mended', invariant))
from planted p order by invariant;

create function private.check_nothing(p_entities text[] default null) returns table (entity text, expected text, actual text, details jsonb)
language sql set search_path = '' as 'select null::text, null::text, null::text, null::jsonb where false';
select public.register_invariant('FORGOTTEN', 'private.check_nothing', 'P4');
select is(pg_temp.without_offence(), '{FORGOTTEN}', 'one without is found');

select * from finish();
rollback;
