-- Which entities changed since an invariant was checked: recorded by the statement that changed them.

create table private.entity_changes (
  table_name text not null,
  column_name text not null,
  keys text[],
  xid xid8 not null default pg_current_xact_id()
);
comment on table private.entity_changes is 'What a statement changed in a watched table; forgotten when every invariant has seen it.';
comment on column private.entity_changes.table_name is 'The watched table, with its schema.';
comment on column private.entity_changes.column_name is 'The column that names the entity.';
comment on column private.entity_changes.keys is 'The entities, as often as they were changed; null: any of them may have changed.';
comment on column private.entity_changes.xid is 'The transaction: an invariant has seen it when its watermark says that it had ended.';
-- Compressing keys would cost more than the rest of the trigger.
alter table private.entity_changes alter column keys set storage external;

create index entity_changes_xid_idx on private.entity_changes (xid);
comment on index private.entity_changes_xid_idx is 'What is newer than a watermark, however long another invariant has not been checked.';

alter table private.entity_changes enable row level security;
revoke all on private.entity_changes from public, anon, authenticated, service_role;

create function private.record_changes() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_keys text[];
begin
  -- Reading few rows as JSON is cheaper than planning a statement of their own for each statement; with many it is not.
  if tg_op = 'INSERT' then
    select array_agg(r.row_json ->> tg_argv[1]) into v_keys from (select to_jsonb(n) as row_json from new_rows n limit 9) r;
  elsif tg_op = 'DELETE' then
    select array_agg(r.row_json ->> tg_argv[1]) into v_keys from (select to_jsonb(o) as row_json from old_rows o limit 9) r;
  elsif tg_op = 'UPDATE' then
    select array_agg(r.row_json ->> tg_argv[1]) into v_keys
    from (select to_jsonb(n) as row_json from new_rows n union all select to_jsonb(o) from old_rows o limit 9) r;
  end if;
  if tg_op <> 'TRUNCATE' and v_keys is null then
    return null;
  end if;
  if cardinality(v_keys) > 8 then
    begin
      execute format('select array_agg(r.key::text) from (%s limit 100001) r', format(case tg_op
        when 'INSERT' then 'select n.%1$I as key from new_rows n'
        when 'DELETE' then 'select o.%1$I as key from old_rows o'
        else 'select n.%1$I as key from new_rows n union all select o.%1$I from old_rows o' end, tg_argv[1])) into v_keys;
    exception when undefined_column then
      v_keys := null;
    end;
  end if;
  insert into private.entity_changes (table_name, column_name, keys)
  values (tg_argv[0], tg_argv[1], case when cardinality(v_keys) <= 100000 then v_keys end);
  return null;
end $$;
comment on function private.record_changes() is
  'Trigger function (table, column): records the entities that a statement changed; of more than 100,000 rows only that there were many.';

create function private.watched_columns(p_watches jsonb) returns table (table_name text, column_name text, relation regclass, attnum smallint)
language plpgsql stable set search_path = '' as $$
begin
  return query
  select w.key, w.value, t.relation, a.attnum
  from jsonb_each_text(p_watches) w
  -- What is written into a partition or a child itself does not fire its parent's triggers.
  cross join lateral private.table_and_parts(to_regclass(w.key)) t (relation)
  left join pg_catalog.pg_attribute a on a.attrelid = t.relation and a.attname = w.value and a.attnum > 0 and not a.attisdropped;
end $$;
comment on function private.watched_columns(jsonb) is
  'The tables of watches with their partitions and children; relation or attnum is null where there is no such table or column any more.';

create function private.qualified_watches(p_watches jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_table text;
  v_column text;
  v_class record;
  v_watches jsonb := '{}'::jsonb;
begin
  for v_table, v_column in select w.key, w.value from jsonb_each_text(p_watches) w loop
    select c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) as full_name into v_class
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = private.find_table(v_table);
    if v_class.relkind is null or v_class.relkind not in ('r', 'p') then
      raise exception using errcode = 'PT422', hint = 'invariant.watch_invalid',
        message = format('There is no table "%s" to watch. Name an ordinary or a partitioned table, with its schema unless that is public.', v_table);
    elsif not exists (
      select from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
      where a.attrelid = v_class.oid and a.attname = v_column and a.attnum > 0 and not a.attisdropped
        and coalesce(nullif(t.typbasetype, 0), t.oid) in ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype,
          'text'::regtype, 'character varying'::regtype, 'uuid'::regtype)
    ) then
      raise exception using errcode = 'PT422', hint = 'invariant.watch_invalid',
        message = format('Table "%s" has no column "%s" whose values can name entities. Name one of an integer, numeric, text, varchar or uuid type.', v_table, v_column);
    end if;
    v_watches := v_watches || jsonb_build_object(v_class.full_name, v_column);
  end loop;
  return v_watches;
exception when invalid_parameter_value then
  raise exception using errcode = 'PT422', hint = 'invariant.watch_invalid',
    message = 'What to watch must be a JSON object like {"orders": "id", "order_lines": "order_id"}: table to column that names the entity.';
end $$;
comment on function private.qualified_watches(jsonb) is 'Watches with the full names of their tables; raises invariant.watch_invalid.';

create function private.watch_column(p_relation regclass, p_attnum smallint, p_table text, p_column text) returns void
language plpgsql set search_path = '' as $$
declare
  v_trigger record;
  v_name text;
begin
  for v_trigger in select * from (values
    ('insert', 'referencing new table as new_rows'), ('update', 'referencing old table as old_rows new table as new_rows'),
    ('delete', 'referencing old table as old_rows'), ('truncate', '')
  ) t (event, transition) loop
    v_name := format('entity_changes_%s_%s', p_attnum, v_trigger.event);
    execute format('create or replace trigger %I after %s on %s %s for each statement execute function private.record_changes(%L, %L)',
      v_name, v_trigger.event, p_relation, v_trigger.transition, p_table, p_column);
    execute format('alter table %s enable always trigger %I', p_relation, v_name);
    execute format('comment on trigger %I on %s is %L', v_name, p_relation, 'Records which entities changed, for the invariants that watch them.');
  end loop;
end $$;
comment on function private.watch_column(regclass, smallint, text, text) is 'Creates, or repairs, the triggers that record the changes of a column''s entities.';

create function private.install_watches() returns void
language plpgsql set search_path = '' as $$
declare
  v_watch record;
begin
  for v_watch in
    select distinct w.* from public.invariants i cross join lateral private.watched_columns(i.watches) w
    where i.enabled and w.attnum is not null and not private.is_recorded(w.relation, w.attnum) order by w.relation, w.attnum
  loop
    perform private.watch_column(v_watch.relation, v_watch.attnum, v_watch.table_name, v_watch.column_name);
  end loop;
  for v_watch in
    select t.tgname, t.tgrelid::regclass as relation from pg_catalog.pg_trigger t
    where t.tgfoid = 'private.record_changes'::regproc and not t.tgisinternal and not exists (
      select from public.invariants i cross join lateral private.watched_columns(i.watches) w
      where i.enabled and w.relation = t.tgrelid and starts_with(t.tgname, format('entity_changes_%s_', w.attnum)))
  loop
    execute format('drop trigger %I on %s', v_watch.tgname, v_watch.relation);
  end loop;
end $$;
comment on function private.install_watches() is 'Creates the triggers that enabled invariants need, and drops those that none needs any more.';

create function private.is_recorded(p_relation regclass, p_attnum smallint) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return 4 = (
    select count(*) from pg_catalog.pg_trigger t
    where t.tgrelid = p_relation and starts_with(t.tgname, format('entity_changes_%s_', p_attnum))
      and t.tgfoid = 'private.record_changes'::regproc and t.tgenabled = 'A');
end $$;
comment on function private.is_recorded(regclass, smallint) is 'Whether all triggers that record the changes of a column''s entities are there and switched on; false for null.';

create function private.changes_are_recorded(p_watches jsonb) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return not exists (select from private.watched_columns(p_watches) w where not private.is_recorded(w.relation, w.attnum));
end $$;
comment on function private.changes_are_recorded(jsonb) is 'Whether every change of what is watched is recorded now: all tables, columns and triggers are there.';

create function private.current_watermark() returns pg_snapshot
language plpgsql stable set search_path = '' as $$
declare
  v_snapshot pg_snapshot := pg_current_snapshot();
  v_own xid8 := pg_current_xact_id_if_assigned();
begin
  -- A snapshot does not list its own transaction, which may change more after this.
  if v_own is null or not pg_visible_in_snapshot(v_own, v_snapshot) then
    return v_snapshot;
  end if;
  return format('%s:%s:%s', pg_snapshot_xmin(v_snapshot), pg_snapshot_xmax(v_snapshot), (
    select string_agg(x.xid::text, ',' order by x.xid) from (select pg_snapshot_xip(v_snapshot) union select v_own) x (xid)))::pg_snapshot;
end $$;
comment on function private.current_watermark() is 'Which transactions have ended; the current one has not.';

create function private.estimated_entities(p_watches jsonb) returns numeric
language plpgsql stable set search_path = '' as $$
begin
  return (
    select max(case when s.n_distinct < 0 then -s.n_distinct * c.reltuples else s.n_distinct end)
    from private.watched_columns(p_watches) w
    join pg_catalog.pg_class c on c.oid = w.relation and c.reltuples >= 0
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = w.column_name);
end $$;
comment on function private.estimated_entities(jsonb) is 'How many entities there are, as ANALYZE found; null before it looked.';

create function private.forget_changes(p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  -- A run or a registration that is under way needs changes of which nobody else can know yet.
  begin
    lock table public.invariants in exclusive mode nowait;
  exception when lock_not_available then
    return;
  end;
  -- Changes are not kept for an invariant that keeps failing: once it runs again it looks at everything.
  update public.invariants i set watermark = null
  where i.watermark is not null and i.last_ok_at < p_now - private.setting('invariant_full_recheck_hours')::integer * interval '1 hour';
  delete from private.entity_changes c
  where not exists (
    select from public.invariants i
    where i.enabled and i.watches ->> c.table_name = c.column_name and i.watermark is not null and not pg_visible_in_snapshot(c.xid, i.watermark));
end $$;
comment on function private.forget_changes(timestamptz) is 'Deletes the changes that every invariant has seen, unless one is being run elsewhere.';

revoke execute on function private.record_changes(), private.watched_columns(jsonb), private.qualified_watches(jsonb),
  private.watch_column(regclass, smallint, text, text), private.install_watches(), private.is_recorded(regclass, smallint), private.changes_are_recorded(jsonb), private.current_watermark(),
  private.estimated_entities(jsonb), private.forget_changes(timestamptz) from public, anon, authenticated, service_role;
