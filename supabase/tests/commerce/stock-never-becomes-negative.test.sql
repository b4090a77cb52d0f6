-- The database itself refuses to move out what is not there.
begin;
select plan(9);

insert into public.products (id, sku, name, price_minor) overriding system value values (1, 'tea', 'Tea', 100), (2, 'cup', 'Cup', 900);

create function pg_temp.refused(p_statement text) returns text language plpgsql as $$
declare
  v_hint text;
begin
  execute p_statement;
  return 'done';
exception when others then
  get stacked diagnostics v_hint = pg_exception_hint;
  return trim(format('%s %s', sqlstate, v_hint));
end $$;

insert into public."StockLedger" (product_id, kind, quantity, balance_after) values (1, 'receipt', 10, 999), (2, 'receipt', 1, 999), (1, 'sale', -4, 999);
select is(
  (select array_agg(format('%s: %s', product_id, balance_after) order by id) from public."StockLedger"), '{"1: 10","2: 1","1: 6"}',
  'each movement says what its product''s stock is then, whatever the writer says');
select is((select array_agg(stock order by id) from public.products), '{6,1}', 'and the product has it');

select is(pg_temp.refused($$insert into public."StockLedger" (product_id, kind, quantity) values (1, 'sale', -7)$$), 'PT409 stock.negative',
  'more than there is does not go out');
select is(pg_temp.refused($$insert into public."StockLedger" (product_id, kind, quantity) values (1, 'sale', -3), (2, 'sale', -1), (1, 'sale', -4)$$),
  'PT409 stock.negative', 'nor in several movements of one statement');
select is(pg_temp.refused($$insert into public."StockLedger" (product_id, kind, quantity) values (3, 'receipt', 1)$$), 'PT404 stock.product_unknown',
  'what nobody knows is not moved');
select is(
  array(select pg_temp.refused(format('insert into public."StockLedger" (product_id, kind, quantity) values (1, %L, %s)', kind, quantity))
    from (values ('receipt', -1), ('return', 0), ('sale', 1), ('adjustment', 0), ('gift', 1)) m (kind, quantity)),
  array_fill('23514'::text, '{5}'), 'a movement has the direction of its kind');
select is(
  array[pg_temp.refused('update public."StockLedger" set quantity = 11 where quantity = 10'), pg_temp.refused('delete from public."StockLedger"')],
  '{PT409 stock.movement_final,PT409 stock.movement_final}', 'movements are neither changed nor deleted');
select is((select array_agg(stock order by id) from public.products), '{6,1}', 'what was refused changed nothing');

select is(
  pg_temp.refused($$insert into public."StockLedger" (product_id, kind, quantity) values (1, 'sale', -6), (1, 'return', 2), (1, 'adjustment', -2)$$), 'done',
  'stock may go out to the last piece');

select * from finish();
rollback;
