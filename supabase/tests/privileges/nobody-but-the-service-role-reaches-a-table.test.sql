-- True whatever a project's default privileges are: older projects grant everything on new tables, newer ones nothing.
begin;
select plan(7);

insert into public.integrations_master (service_name) values ('acme');
select save_grant('acme', null, tests.id(1), tests.jwe(), tests.jwe(), 60);
select tests.fail(1, 'acme', 'network', '{"request": null}');
insert into public.receipts (payer, amount_minor, currency) values ('ada', 100, 'EUR');
insert into public.ledger_events (event_type, account, amount_minor, currency) values ('payment.received', 'ada', 100, 'EUR');
select allocate_ledger_event(id, '[{"bucket": "tax", "share": 1}]', 'split', 'e1') from public.ledger_events;
insert into public.call_sessions (started_at, ended_at, status) values (now(), now(), 'completed');
insert into public.subsystem_counts values ('acme', 'action', 1, 0, now());
insert into public.operators (user_id, role) values (tests.id(1), 'viewer');
insert into public.webhook_receivers (host, public_key)
values ('a.example', jsonb_build_object('kty', 'EC', 'crv', 'P-256', 'x', repeat('x', 43), 'y', repeat('y', 43)));
insert into public.invariants (name, priority, check_function) values ('A', 'P1', 'public.unknown');
insert into public.invariant_violations (invariant, entity, detected_at, seen_at) values ('A', '1', now(), now());
insert into private.entity_changes (table_name, column_name) values ('public.unknown', 'id');
select run_invariant('A'), score_drift();
-- Inner nodes are stored from 1,024 rows on.
create table public.sealed_notes (note integer);
select private.make_immutable('public.sealed_notes');
insert into public.sealed_notes (note) select * from generate_series(1, 1024);
select seal_audit('sealed_notes');
select record_publication('sealed_notes', 'store', 1024, encode(sha256(''), 'base64'), 'a note');
select refuse_publication('sealed_notes', 'witness', 'rewritten', 'another root');
drop table public.sealed_notes;
select private.verify_audit();
select tests.rule('a');
select record_events('[{"data": {}}]'), tests.fire('a', 'e1');
insert into public.incidents (dedup_key, priority, status, source, title, details, snapshot, checked_at, opened_at)
values ('scan', 'P2', 'AUTO_HEALING', 'scan', 'The scan is late', '{}', '{}', now(), now());
insert into public.maintenance_windows (starts_at, ends_at, reason) values (now(), now() + interval '1 hour', 'moving');
insert into private.unfollowed_incidents values ('scan', 'of no use', now());
insert into public.backup_validations (valid) values (true);
select read_system_health('20261120001450'), evaluate_health();
insert into public.products (sku, name, price_minor) values ('tea', 'Tea', 100);
insert into public.customers (name) values ('ada');
insert into public.sales (total_minor, currency) values (100, 'EUR');
insert into public.sale_items (sale_id, product_id, quantity, unit_price_minor) select s.id, p.id, 1, 100 from public.sales s, public.products p;
insert into public.payments (sale_id, amount_minor) select id, 100 from public.sales;
insert into public.invoices (number, sale_id, amount_minor) select 'R-1', id, 100 from public.sales;
insert into public."StockLedger" (product_id, kind, quantity) select id, 'receipt', 1 from public.products;

create temp table reachable as
select c.oid::regclass as name, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm')
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e');

create function pg_temp.try(p_role text, p_verb text, p_table regclass) returns text language plpgsql as $$
declare
  v_column name := (select attname from pg_attribute where attrelid = p_table and attnum > 0 and attidentity = '' order by attnum limit 1);
  v_rows bigint;
begin
  execute format('set local role %I', p_role);
  execute format(case p_verb
    when 'select' then 'select from %s' when 'insert' then 'insert into %1$s default values' when 'update' then 'update %1$s set %2$I = %2$I'
    when 'delete' then 'delete from %s' when 'truncate' then 'truncate %s cascade' end, p_table, v_column);
  get diagnostics v_rows = row_count;
  reset role;
  return case when p_verb = 'truncate' then 'allowed' when v_rows = 0 then 'no rows' else 'allowed' end;
exception when others then
  reset role;
  return case when sqlstate = '42501' then 'denied' else 'allowed, then ' || sqlstate end;
end $$;
create function pg_temp.reached(p_kind char, p_roles text[], p_verbs text[]) returns text[] language sql as $$
  select array(
    select format('%s: %s %s: %s', role, verb, t.name, outcome)
    from reachable t, unnest(p_roles) role, unnest(p_verbs) verb, lateral (select pg_temp.try(role, verb, t.name) as outcome) o
    where t.relkind = p_kind and outcome not in ('denied', 'no rows') order by 1)
$$;

create function pg_temp.is_empty(p_table regclass) returns boolean language plpgsql as $$
declare
  v_empty boolean;
begin
  execute format('select not exists (select from %s)', p_table) into v_empty;
  return v_empty;
end $$;
select is((select array_agg(name) from reachable where relkind = 'r' and pg_temp.is_empty(name)), null, 'every table has a row that could be seen');

select is(
  pg_temp.reached('r', '{anon, authenticated, authenticator}', '{select, insert, update, delete, truncate}'), '{}',
  'anon, authenticated and authenticator reach no row of any table with any verb');
select is(pg_temp.reached('v', '{anon, authenticated, authenticator}', '{select}'), '{}', 'nor read a view');
select is(
  pg_temp.reached('r', '{service_role}', '{truncate}'), '{}', 'service_role truncates nothing');
select is(
  array(select format('%s %s', verb, t.name) from reachable t, unnest('{insert, update, delete}'::text[]) verb
    where case verb when 'delete' then has_table_privilege('service_role', t.name, verb) else has_any_column_privilege('service_role', t.name, verb) end order by 1),
  array(select format('%s %s', verb, name) from unnest('{insert, update, delete}'::text[]) verb,
      unnest('{integration_events, integrations_master, user_integrations, products, customers, sales, sale_items, payments, invoices}'::text[]) name
    union all select format('insert %s', name) from unnest('{receipts, ledger_events, call_sessions, "\"StockLedger\"", rule_events, backup_validations}'::text[]) name order by 1),
  'service_role writes to the project''s own tables only, and into its records, events and backups');
select is(
  (select array_agg(name::text) from reachable t where has_table_privilege('service_role', t.name, 'select') <> (name::text not like 'private.%' and name <> 'public.system_mode'::regclass)), null,
  'service_role reads everything but what is private, and the mode without its override token');

create table public.planted (id integer);
grant select on public.planted to anon;
insert into public.planted values (1);
insert into reachable values ('public.planted', 'r');
select is(pg_temp.reached('r', '{anon}', '{select}'), '{anon: select planted: allowed}', 'a table that anon may read would be found');

select * from finish();
rollback;
