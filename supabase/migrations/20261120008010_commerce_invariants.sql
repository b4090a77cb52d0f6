-- What must be true of the example shop: seven checks, each one query over all entities or over those that are given. It is
-- planned anew at each call: a plan for all of them would read the whole table for a few.

create function private.check_no_negative_stock(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  return query
  select m.product_id::text, '0 or more', sum(m.quantity)::text, jsonb_build_object('movements', count(*), 'newest', max(m.id))
  from public."StockLedger" m where (p_entities is null or m.product_id = any (p_entities::bigint[])) group by m.product_id having sum(m.quantity) < 0;
end $$;
comment on function private.check_no_negative_stock(text[]) is 'Products whose movements sum to less than nothing.';

create function private.check_sale_total_matches_line_items(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  return query
  select s.id::text, coalesce(i.total, 0)::text, s.total_minor::text, jsonb_build_object('items', coalesce(i.items, 0), 'currency', s.currency)
  from public.sales s left join (
    select i.sale_id, sum(i.line_total_minor) as total, count(*) as items from public.sale_items i where (p_entities is null or i.sale_id = any (p_entities::bigint[])) group by i.sale_id
  ) i on i.sale_id = s.id
  where (p_entities is null or s.id = any (p_entities::bigint[])) and s.total_minor <> coalesce(i.total, 0);
end $$;
comment on function private.check_sale_total_matches_line_items(text[]) is 'Sales whose total is not the sum of their items.';

create function private.check_payment_sum_matches_sale_total(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  return query
  select s.id::text, e.expected::text, coalesce(p.total, 0)::text,
    jsonb_build_object('status', s.status, 'payments', coalesce(p.payments, 0), 'currency', s.currency)
  from public.sales s left join (
    select p.sale_id, sum(p.amount_minor) as total, count(*) as payments from public.payments p where (p_entities is null or p.sale_id = any (p_entities::bigint[])) group by p.sale_id
  ) p on p.sale_id = s.id
  cross join lateral (select case s.status when 'paid' then s.total_minor when 'cancelled' then 0 end as expected) e
  where (p_entities is null or s.id = any (p_entities::bigint[])) and e.expected <> coalesce(p.total, 0);
end $$;
comment on function private.check_payment_sum_matches_sale_total(text[]) is 'Paid sales whose payments are not their total, and cancelled ones whose payments are not nothing.';

create function private.check_no_duplicate_invoices(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  return query
  select i.number, '1', count(*)::text, jsonb_build_object('invoices', (array_agg(i.id order by i.id))[:20])
  from public.invoices i where (p_entities is null or i.number = any (p_entities)) group by i.number having count(*) > 1;
end $$;
comment on function private.check_no_duplicate_invoices(text[]) is 'Invoice numbers that were given more than once.';

create function private.check_stock_movement_balance(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  return query
  select p.id::text, coalesce(m.total, 0)::text, p.stock::text, jsonb_build_object('newest_balance', n.balance_after, 'newest', m.newest)
  from public.products p left join (
    select m.product_id, sum(m.quantity) as total, max(m.id) as newest from public."StockLedger" m where (p_entities is null or m.product_id = any (p_entities::bigint[])) group by m.product_id
  ) m on m.product_id = p.id
  left join public."StockLedger" n on n.id = m.newest
  where (p_entities is null or p.id = any (p_entities::bigint[])) and (p.stock <> coalesce(m.total, 0) or n.balance_after <> m.total);
end $$;
comment on function private.check_stock_movement_balance(text[]) is 'Products whose stock, or newest balance, is not the sum of their movements.';

create function private.check_credit_limit_not_exceeded(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  return query
  select c.id::text, 'at most ' || c.credit_limit_minor, d.debt::text, jsonb_build_object('sales', coalesce(s.total, 0), 'payments', coalesce(p.total, 0))
  from public.customers c left join (
    select s.customer_id, sum(s.total_minor) as total from public.sales s where (p_entities is null or s.customer_id = any (p_entities::bigint[])) and s.status <> 'cancelled' group by s.customer_id
  ) s on s.customer_id = c.id
  left join (
    select p.customer_id, sum(p.amount_minor) as total from public.payments p where (p_entities is null or p.customer_id = any (p_entities::bigint[])) group by p.customer_id
  ) p on p.customer_id = c.id
  cross join lateral (select coalesce(s.total, 0) - coalesce(p.total, 0) as debt) d
  where (p_entities is null or c.id = any (p_entities::bigint[])) and d.debt > c.credit_limit_minor;
end $$;
comment on function private.check_credit_limit_not_exceeded(text[]) is 'Customers who owe more than their credit limit: their sales that are not cancelled, minus their payments.';

create function private.check_no_orphaned_sale_items(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  return query
  select i.sale_id::text, '0', count(*)::text, jsonb_build_object('items', (array_agg(i.id order by i.id))[:20])
  from public.sale_items i
  where (p_entities is null or i.sale_id = any (p_entities::bigint[])) and not exists (select from public.sales s where s.id = i.sale_id) group by i.sale_id;
end $$;
comment on function private.check_no_orphaned_sale_items(text[]) is 'Sales that do not exist, but have items.';

create function private.correct_no_orphaned_sale_items(p_entities text[]) returns setof jsonb
language plpgsql set search_path = '' as $$
begin
  -- What a transaction is changing is left to the next run, which need not wait for it.
  return query
  delete from public.sale_items i using (
    select o.id from public.sale_items o
    where o.sale_id = any (p_entities::bigint[]) and not exists (select from public.sales s where s.id = o.sale_id)
    for update skip locked
  ) o where i.id = o.id
  returning to_jsonb(i);
end $$;
comment on function private.correct_no_orphaned_sale_items(text[]) is 'Deletes items of sales that do not exist; the items.';

revoke execute on function private.check_no_negative_stock(text[]), private.check_sale_total_matches_line_items(text[]),
  private.check_payment_sum_matches_sale_total(text[]), private.check_no_duplicate_invoices(text[]), private.check_stock_movement_balance(text[]),
  private.check_credit_limit_not_exceeded(text[]), private.check_no_orphaned_sale_items(text[]), private.correct_no_orphaned_sale_items(text[])
  from public, anon, authenticated, service_role;

select public.register_invariant('NO_NEGATIVE_STOCK', 'private.check_no_negative_stock', 'P1', '{"StockLedger": "product_id"}',
  p_description => 'No product''s movements sum to less than nothing.');
select public.register_invariant('SALE_TOTAL_MATCHES_LINE_ITEMS', 'private.check_sale_total_matches_line_items', 'P1',
  '{"sales": "id", "sale_items": "sale_id"}', p_description => 'A sale''s total is the sum of its items.');
select public.register_invariant('PAYMENT_SUM_MATCHES_SALE_TOTAL', 'private.check_payment_sum_matches_sale_total', 'P1',
  '{"sales": "id", "payments": "sale_id"}', p_description => 'The payments of a paid sale sum to its total, those of a cancelled one to nothing.');
select public.register_invariant('NO_DUPLICATE_INVOICES', 'private.check_no_duplicate_invoices', 'P1', '{"invoices": "number"}',
  p_description => 'An invoice number is given once.');
select public.register_invariant('STOCK_MOVEMENT_BALANCE', 'private.check_stock_movement_balance', 'P2',
  '{"products": "id", "StockLedger": "product_id"}', p_description => 'A product''s stock and its newest balance are the sum of its movements.');
select public.register_invariant('CREDIT_LIMIT_NOT_EXCEEDED', 'private.check_credit_limit_not_exceeded', 'P2',
  '{"customers": "id", "sales": "customer_id", "payments": "customer_id"}', p_description => 'No customer owes more than his credit limit.');
select public.register_invariant('NO_ORPHANED_SALE_ITEMS', 'private.check_no_orphaned_sale_items', 'P3',
  '{"sales": "id", "sale_items": "sale_id"}', 'private.correct_no_orphaned_sale_items', 'Items belong to a sale that exists. Those of none are deleted.');
