-- Every way to change or remove a row of an immutable table, tried by everybody who could.
begin;
select plan(10);

insert into public.receipts (payer, amount_minor, currency) values ('ada', 100, 'EUR');
insert into public.ledger_events (event_type, account, amount_minor, currency) values ('payment.received', 'ada', 100, 'EUR');
select allocate_ledger_event(id, '[{"bucket": "tax", "share": 1}]', 'split', 'e1') from public.ledger_events;
insert into public.call_sessions (started_at, ended_at, status) values (now(), now(), 'completed');
select private.audit('tests', 'system', 'row.inserted', 'table:receipts', 'done');
create table public.other_log (note text);
select private.make_immutable('other_log');
insert into public.other_log values ('kept');

create temp table logs as select private.find_table(name) as log from public.immutable_tables;
create temp table ways (way text, statement text);
insert into ways values
  ('update', 'update %s set leaf_hash = leaf_hash'),
  ('update of no row', 'update %s set leaf_hash = leaf_hash where false'),
  ('update with a join', 'update %s t set leaf_hash = t.leaf_hash from (select) s'),
  ('delete', 'delete from %s'),
  ('delete of no row', 'delete from %s where false'),
  ('truncate', 'truncate %s'),
  ('truncate cascade', 'truncate %s cascade'),
  ('upsert', 'insert into %s (leaf_hash) values ('''') on conflict (immutable_seq) do update set leaf_hash = excluded.leaf_hash'),
  ('merge that updates', 'merge into %s t using (select) s on true when matched then update set leaf_hash = t.leaf_hash'),
  ('merge that deletes', 'merge into %s t using (select) s on true when matched then delete'),
  ('delete inside of a query', 'with gone as (delete from %s returning 1) select count(*) from gone'),
  ('update of a view', 'update %s_view set leaf_hash = leaf_hash'),
  ('delete from a view', 'delete from %s_view'),
  ('definer function', 'select public.%s_remover()');
do $$
declare
  v_log regclass;
begin
  for v_log in select log from logs loop
    execute format('create view public.%s_view as select * from %1$s', v_log);
    execute format('create function public.%s_remover() returns void language sql security definer as ''delete from public.%1$s''', v_log);
  end loop;
end $$;

create function pg_temp.outcomes(p_roles text[]) returns text[] language sql as $$
  select array(
    select distinct case when outcome in ('no permission', 'audit.immutable') then outcome else format('%s: %s on %s: %s', role, way, log, outcome) end
    from logs, ways, unnest(p_roles) role, lateral (select tests.try_as(role, format(statement, log)) as outcome) o
    order by 1)
$$;
create function pg_temp.contents() returns text language plpgsql as $$
declare
  v_log regclass;
  v_rows text;
  v_all text := '';
begin
  for v_log in select log from logs order by 1 loop
    execute format('select string_agg(t::text, '';'' order by immutable_seq) from %s t', v_log) into v_rows;
    v_all := v_all || v_rows;
  end loop;
  return v_all;
end $$;
create temp table before as select pg_temp.contents() as contents;

select set_eq('select log::text from logs', array['audit_log', 'call_sessions', 'ledger_allocations', 'ledger_events', 'other_log', 'receipts'], 'the immutable tables are known');
select is(pg_temp.outcomes('{postgres}'), '{audit.immutable}', 'the owner is refused every way, on every table, with one code');
select is(pg_temp.outcomes('{anon, authenticated, authenticator, service_role}'), '{audit.immutable,"no permission"}', 'the roles of the API have no permission, and a function that has is refused');
do $$
declare
  v_log regclass;
begin
  for v_log in select log from logs loop
    execute format('grant all on %s, %1$s_view to anon, authenticated, authenticator, service_role', v_log);
  end loop;
end $$;
select is(pg_temp.outcomes('{anon, authenticated, authenticator, service_role}'), '{audit.immutable}', 'and all are refused by the table itself when somebody grants them everything');

-- Foreign keys, parents and rules reach rows without naming the table.
create table public.patrons (id integer primary key);
create table public.orders (patron_id integer references public.patrons on update cascade on delete cascade);
select private.make_immutable('orders');
insert into public.patrons values (1);
insert into public.orders values (1);
select is(
  array(select tests.try_as('postgres', statement) from unnest('{delete from patrons, update patrons set id = 2, truncate patrons cascade}'::text[]) statement),
  '{audit.immutable,audit.immutable,audit.immutable}', 'no foreign key cascades into an immutable table');

create table public.parent (note text, immutable_seq bigint not null, leaf_hash bytea not null);
alter table public.other_log inherit public.parent;
select is(
  array(select tests.try_as('postgres', statement) from unnest('{delete from parent, update parent set note = null, truncate parent}'::text[]) statement),
  '{audit.immutable,audit.immutable,audit.immutable}', 'nor does a parent that it was given later');
alter table public.other_log no inherit public.parent;
drop table public.parent;
create table public.parent (note text, immutable_seq bigint not null, leaf_hash bytea not null) partition by list (note);
alter table public.parent attach partition public.other_log for values in ('kept');
select is(
  array(select tests.try_as('postgres', statement) from unnest('{delete from parent, update parent set note = null, truncate parent}'::text[]) statement),
  '{audit.immutable,audit.immutable,audit.immutable}', 'nor the partitioned table that it became a part of');
alter table public.parent detach partition public.other_log;

select is((select contents from before), pg_temp.contents(), 'after all of this every row is as it was');

select is(
  array(select distinct tests.try_as(role, statement)
    from unnest('{anon, authenticated, authenticator, service_role}'::text[]) role,
      unnest(array['update public.immutable_tables set sealed_seq = 0', 'update public.immutable_tables set dropping = pg_current_xact_id()',
        'delete from public.immutable_tables', 'insert into public.audit_blocks (table_name) values (''receipts'')',
        'select setval(''public.receipts_immutable_seq'', 1)', 'select nextval(''public.receipts_immutable_seq'')',
        'alter table public.receipts disable trigger all', 'drop table public.receipts', 'alter sequence public.receipts_immutable_seq restart',
        'create trigger zzz before insert on public.receipts for each row execute function private.record_row()']) statement),
  '{"no permission"}', 'nor can a role of the API reach what keeps them so');

insert into public.audit_blocks select 'other_log', 1, 1, 1, '{}', 0, 0, 0, '', '', '', '{}', now(), '', '';
insert into public.audit_nodes values ('other_log', 10, 0, '');
grant all on public.audit_blocks, public.audit_nodes to anon, authenticated, authenticator, service_role;
select is(
  array(
    select distinct tests.try_as(role, format(statement, tab))
    from unnest('{postgres, anon, authenticated, authenticator, service_role}'::text[]) role, unnest('{audit_blocks, audit_nodes}'::text[]) tab,
      unnest(array['update %s set table_name = table_name', 'delete from %s', 'truncate %s', 'truncate %s cascade', 'merge into %s t using (select) s on true when matched then delete']) statement),
  '{audit.immutable}', 'what was sealed is as immutable');

select * from finish();
rollback;
