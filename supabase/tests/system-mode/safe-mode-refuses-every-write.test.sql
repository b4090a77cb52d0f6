-- Every guarded table, every way to write, every database role: refused, and never a row changed.
begin;
select plan(9);

create table public.warehouse (id integer primary key, note text);
create table public.shelf (id integer primary key references public.warehouse (id) on delete cascade on update cascade, note text);
insert into public.warehouse values (1, 'kept');
insert into public.shelf values (1, 'kept');
insert into public.receipts (payer, amount_minor, currency) values ('ada', 100, 'EUR');
select guard_table('public.shelf');
grant all on public.shelf, public.warehouse to service_role;

create temp table guarded as select table_name::regclass as name from guarded_tables where holds;
create temp table ways (way text, statement text);
-- 1: the table, 2: its first column that can be written, 3: its name in that of helpers.
insert into ways values
  ('insert', 'insert into %1$s default values'),
  ('insert of no row', 'insert into %1$s (%2$I) select %2$I from %1$s where false'),
  ('update', 'update %1$s set %2$I = %2$I'),
  ('update of no row', 'update %1$s set %2$I = %2$I where false'),
  ('delete', 'delete from %1$s'),
  ('delete of no row', 'delete from only %1$s where false'),
  ('truncate', 'truncate %1$s cascade'),
  ('copy', 'copy %1$s from program ''true'''),
  ('upsert', 'insert into %1$s default values on conflict do nothing'),
  ('merge', 'merge into %1$s t using (select) s on false when not matched then insert default values'),
  ('merge that updates', 'merge into %1$s t using (select) s on true when matched then update set %2$I = t.%2$I'),
  ('write inside of a query', 'with gone as (delete from %1$s returning 1) select count(*) from gone'),
  ('definer function', 'select public.%3$I()'),
  ('view', 'delete from public.%3$I'),
  ('prepared statement', 'execute %3$I');
do $$
declare
  v_name regclass;
  v_helper text;
begin
  for v_name in select name from guarded loop
    v_helper := 'remove_' || (select relname from pg_class where oid = v_name);
    execute format('create function public.%I() returns void language sql security definer as %L', v_helper, format('delete from %s', v_name));
    execute format('create view public.%I as select * from %s', v_helper, v_name);
    execute format('grant all on public.%I to service_role', v_helper);
    execute format('prepare %I as delete from %s', v_helper, v_name);
  end loop;
end $$;

create function pg_temp.tried(p_roles text[]) returns table (role text, way text, name regclass, outcome text) language sql as $$
  select r, w.way, g.name, tests.try_as(r, format(w.statement, g.name, (
      select attname from pg_attribute where attrelid = g.name and attnum > 0 and attidentity = '' order by attnum limit 1),
      'remove_' || (select relname from pg_class where oid = g.name)))
  from unnest(p_roles) r, ways w, guarded g
$$;
create function pg_temp.rows() returns text language plpgsql as $$
declare
  v_name regclass;
  v_rows text;
  v_all text := '';
begin
  for v_name in select name from guarded order by name::text loop
    execute format('select string_agg(t::text, '';'' order by t::text) from %s t', v_name) into v_rows;
    v_all := v_all || v_name || ': ' || coalesce(v_rows, '') || E'\n';
  end loop;
  return v_all;
end $$;

select is(tests.try_as('postgres', 'update public.shelf set note = note'), 'done', 'in normal mode a guarded table is written to');
update system_mode set mode = 'safe';
create temp table before as select pg_temp.rows() as rows;

-- To copy from the server takes a right that none of these has; a superuser copies in barrier.test.ts.
create temp table outcomes as select * from pg_temp.tried('{postgres, service_role, authenticated, anon, authenticator}');
select is(
  array(select distinct format('%s: %s on %s: %s', role, way, name, outcome) from outcomes where outcome not in ('safe_mode.active', 'no permission') order by 1), '{}',
  'every role is refused every way to write to every guarded table');
select is(
  array(select format('%s on %s: %s', way, name, outcome) from outcomes where role = 'postgres' and outcome <> 'safe_mode.active' and way <> 'copy' order by 1), '{}',
  'the owner is told that it is safe mode, whatever other triggers say');
select ok((select count(*) > 0 from outcomes where role = 'service_role' and outcome = 'safe_mode.active'), 'so is the service role, where it may write');
select is(pg_temp.rows(), (select rows from before), 'no row was changed');

select is(tests.try_as('postgres', 'delete from public.warehouse'), 'safe_mode.active', 'a delete does not reach a guarded table through a foreign key');
select is(tests.try_as('postgres', 'update public.warehouse set id = 2'), 'safe_mode.active', 'nor does an update');
select is(tests.try_as('postgres', 'truncate public.warehouse cascade'), 'safe_mode.active', 'nor does a truncate');

update system_mode set mode = 'normal';
select is(tests.try_as('postgres', 'update public.shelf set note = note'), 'done', 'afterwards it is written to again');

select * from finish();
rollback;
