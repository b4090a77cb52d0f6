-- An example of what invariants guard: a shop's products, sales and stock. A project with tables of its own leaves this
-- file and the next one out. Amounts are in minor units (cents).

create table public.products (
  id bigint generated always as identity primary key,
  sku text not null,
  name text not null,
  price_minor bigint not null,
  stock bigint not null default 0,
  constraint products_have_a_sku_of_their_own unique (sku),
  constraint products_price_is_not_negative check (price_minor >= 0)
);
comment on table public.products is 'What the shop sells.';
comment on column public.products.id is 'Identity.';
comment on column public.products.sku is 'The number on the shelf.';
comment on column public.products.name is 'For people.';
comment on column public.products.price_minor is 'Price of one today.';
comment on column public.products.stock is 'How many there are; movements of "StockLedger" keep it.';

create table public.customers (
  id bigint generated always as identity primary key,
  name text not null,
  credit_limit_minor bigint,
  constraint customers_credit_limit_is_not_negative check (credit_limit_minor >= 0)
);
comment on table public.customers is 'Who may buy on credit.';
comment on column public.customers.id is 'Identity.';
comment on column public.customers.name is 'For people.';
comment on column public.customers.credit_limit_minor is 'The most that may be owed; null: no limit is checked.';

create table public.sales (
  id bigint generated always as identity primary key,
  customer_id bigint references public.customers (id),
  status text not null default 'open',
  total_minor bigint not null,
  currency text not null,
  created_at timestamptz not null default now(),
  constraint sales_status_is_known check (status in ('open', 'paid', 'cancelled')),
  constraint sales_total_is_not_negative check (total_minor >= 0),
  constraint sales_currency_is_an_iso_code check (currency ~ '^[A-Z]{3}$')
);
comment on table public.sales is 'What was sold, and to whom.';
comment on column public.sales.id is 'Identity.';
comment on column public.sales.customer_id is 'Who owes the total; null for a passer-by.';
comment on column public.sales.status is 'paid: payments sum to the total; cancelled: they sum to nothing; open: they may still come.';
comment on column public.sales.total_minor is 'What the items sum to.';
comment on column public.sales.currency is 'ISO 4217; of the items, payments and invoices, too.';
comment on column public.sales.created_at is 'When it was made.';
create index sales_customer_idx on public.sales (customer_id);
comment on index public.sales_customer_idx is 'What a customer bought.';

create table public.sale_items (
  id bigint generated always as identity primary key,
  -- No foreign key: points of sale upload a sale's items before the sale itself.
  sale_id bigint not null,
  product_id bigint not null references public.products (id),
  quantity bigint not null,
  unit_price_minor bigint not null,
  line_total_minor bigint not null generated always as (quantity * unit_price_minor) stored,
  constraint sale_items_quantity_is_positive check (quantity > 0),
  constraint sale_items_unit_price_is_not_negative check (unit_price_minor >= 0)
);
comment on table public.sale_items is 'The lines of sales.';
comment on column public.sale_items.id is 'Identity.';
comment on column public.sale_items.sale_id is 'The sale, which may come later than its items: no foreign key.';
comment on column public.sale_items.product_id is 'What was sold.';
comment on column public.sale_items.quantity is 'How many.';
comment on column public.sale_items.unit_price_minor is 'Price of one when it was sold.';
comment on column public.sale_items.line_total_minor is 'Quantity times price.';
create index sale_items_sale_idx on public.sale_items (sale_id);
comment on index public.sale_items_sale_idx is 'The lines of a sale.';
create index sale_items_product_idx on public.sale_items (product_id);
comment on index public.sale_items_product_idx is 'The sales of a product.';

create table public.payments (
  id bigint generated always as identity primary key,
  sale_id bigint not null references public.sales (id),
  customer_id bigint references public.customers (id),
  amount_minor bigint not null,
  created_at timestamptz not null default now(),
  constraint payments_have_an_amount check (amount_minor <> 0)
);
comment on table public.payments is 'Money that came in, or went back.';
comment on column public.payments.id is 'Identity.';
comment on column public.payments.sale_id is 'What was paid.';
comment on column public.payments.customer_id is 'Whose debt it reduces; null for a passer-by.';
comment on column public.payments.amount_minor is 'Negative: a refund.';
comment on column public.payments.created_at is 'When it was recorded.';
create index payments_sale_idx on public.payments (sale_id);
comment on index public.payments_sale_idx is 'The payments of a sale.';
create index payments_customer_idx on public.payments (customer_id);
comment on index public.payments_customer_idx is 'The payments of a customer.';

create table public.invoices (
  id bigint generated always as identity primary key,
  -- Not unique: numbers come from outside, and two equal ones must be seen, not lost.
  number text not null,
  sale_id bigint not null references public.sales (id),
  amount_minor bigint not null,
  created_at timestamptz not null default now(),
  constraint invoices_number_is_of_1_to_100_characters check (char_length(number) between 1 and 100)
);
comment on table public.invoices is 'What was invoiced, as the invoicing software says.';
comment on column public.invoices.id is 'Identity.';
comment on column public.invoices.number is 'Given outside; no constraint keeps it unique.';
comment on column public.invoices.sale_id is 'What it is for.';
comment on column public.invoices.amount_minor is 'What it asks for.';
comment on column public.invoices.created_at is 'When it was recorded.';
create index invoices_number_idx on public.invoices (number);
comment on index public.invoices_number_idx is 'The invoices of a number.';
create index invoices_sale_idx on public.invoices (sale_id);
comment on index public.invoices_sale_idx is 'The invoices of a sale.';

create sequence public."StockLedger_id_seq";
comment on sequence public."StockLedger_id_seq" is 'Numbers the movements of stock.';
create table public."StockLedger" (
  id bigint primary key,
  product_id bigint not null references public.products (id),
  kind text not null,
  quantity bigint not null,
  balance_after bigint not null,
  created_at timestamptz not null default now(),
  constraint stock_movement_has_the_sign_of_its_kind check (
    case kind when 'receipt' then quantity > 0 when 'return' then quantity > 0 when 'sale' then quantity < 0
      when 'adjustment' then quantity <> 0 else false end)
);
alter sequence public."StockLedger_id_seq" owned by public."StockLedger".id;
comment on table public."StockLedger" is 'Every movement of stock. Rows are only added: a wrong one is set right by an adjustment.';
comment on column public."StockLedger".id is 'Rises with every movement of a product.';
comment on column public."StockLedger".product_id is 'What was moved.';
comment on column public."StockLedger".kind is 'receipt or return: comes in; sale: goes out; adjustment: what counting found.';
comment on column public."StockLedger".quantity is 'How many came in; negative: went out.';
comment on column public."StockLedger".balance_after is 'The product''s stock after it; the database fills it in.';
comment on column public."StockLedger".created_at is 'When it was recorded.';
create index stock_ledger_product_idx on public."StockLedger" (product_id);
comment on index public.stock_ledger_product_idx is 'The movements of a product.';

create function private.move_stock() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Locks the product until the transaction ends: whoever moves it next sees this movement, or its absence.
  update public.products p set stock = p.stock + new.quantity where p.id = new.product_id returning p.stock into new.balance_after;
  if not found then
    raise exception using errcode = 'PT404', hint = 'stock.product_unknown',
      message = format('There is no product %s: insert it before its movements.', coalesce(new.product_id::text, 'without an id'));
  elsif new.balance_after < 0 then
    raise exception using errcode = 'PT409', hint = 'stock.negative', message = format(
      'Product %s has a stock of %s, which a movement of %s would make negative: nothing was moved. Record what came in first, or move less.',
      new.product_id, new.balance_after - new.quantity, new.quantity);
  end if;
  -- Numbered under the lock, so that a product's movements in the order of their ids are those of its balances.
  new.id := nextval('public."StockLedger_id_seq"');
  return new;
end $$;
comment on function private.move_stock() is 'Trigger function: moves the product''s stock, numbers the movement; raises stock.negative, stock.product_unknown.';
create trigger stock_is_moved before insert on public."StockLedger" for each row execute function private.move_stock();
comment on trigger stock_is_moved on public."StockLedger" is 'No movement makes a stock negative, however many come at once.';

create function private.refuse_stock_changes() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = 'PT409', hint = 'stock.movement_final',
    message = 'Movements of stock are never changed or deleted: insert one of kind adjustment that sets it right.';
end $$;
comment on function private.refuse_stock_changes() is 'Trigger function: raises stock.movement_final.';
create trigger stock_movements_are_final before update or delete on public."StockLedger"
for each row execute function private.refuse_stock_changes();
comment on trigger stock_movements_are_final on public."StockLedger" is 'Balances after a changed movement would all be wrong.';

alter table public.products enable row level security;
alter table public.customers enable row level security;
alter table public.sales enable row level security;
alter table public.sale_items enable row level security;
alter table public.payments enable row level security;
alter table public.invoices enable row level security;
alter table public."StockLedger" enable row level security;
revoke all on public.products, public.customers, public.sales, public.sale_items, public.payments, public.invoices, public."StockLedger"
  from public, anon, authenticated, service_role;
revoke all on sequence public."StockLedger_id_seq" from public, anon, authenticated, service_role;
revoke execute on function private.move_stock(), private.refuse_stock_changes() from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.products, public.customers, public.sales, public.sale_items, public.payments, public.invoices
  to service_role;
grant select, insert on public."StockLedger" to service_role;

select public.guard_table(t::regclass)
from unnest('{products, customers, sales, sale_items, payments, invoices, "\"StockLedger\""}'::text[]) n (name), format('public.%s', n.name) t;
