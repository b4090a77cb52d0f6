-- Tables whose rows can be inserted, and never changed: each row takes a number and a hash of all its columns.
-- What a leaf hash covers is .github/AUDIT.md; what makes it proof is in the sealing migration.

create table public.immutable_tables (
  name text primary key,
  sequence_name text not null,
  created_at timestamptz not null default now(),
  sealed_seq bigint not null default 0,
  pending_seq bigint,
  pending_writers text[],
  dropping xid8,
  constraint immutable_tables_wait_for_writers check ((pending_seq is null) = (pending_writers is null))
);
comment on table public.immutable_tables is 'Every table that private.make_immutable() was called for, and how far it is sealed.';
comment on column public.immutable_tables.name is 'The table; with its schema unless that is public.';
comment on column public.immutable_tables.sequence_name is 'The sequence that numbers its rows, qualified and quoted.';
comment on column public.immutable_tables.created_at is 'When it was made immutable.';
comment on column public.immutable_tables.sealed_seq is 'All numbers up to this one are sealed: each is a row of a block, or void.';
comment on column public.immutable_tables.pending_seq is 'Numbers up to this one are sealed next, when the writers that were under way have ended.';
comment on column public.immutable_tables.pending_writers is 'Those writers: virtual transaction ids, as pg_locks shows them.';
comment on column public.immutable_tables.dropping is 'The transaction that is dropping an exported segment; only it may delete.';

alter table public.immutable_tables enable row level security;
revoke all on public.immutable_tables from public, anon, authenticated, service_role;
grant select on public.immutable_tables to service_role;

create function private.immutable_name(p_table regclass) returns text
language sql stable set search_path = '' as $$
  select case n.nspname when 'public' then c.relname else n.nspname || '.' || c.relname end
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = p_table;
$$;
comment on function private.immutable_name(regclass) is 'A table''s name as immutable_tables knows it: with its schema unless that is public.';

create function private.find_table(p_table text) returns regclass
language plpgsql stable set search_path = '' as $$
declare
  v_parts text[];
begin
  -- The bare name first: that is how immutable_tables calls a table whose name needs quotes.
  if to_regclass(format('public.%I', p_table)) is not null then
    return to_regclass(format('public.%I', p_table));
  end if;
  v_parts := parse_ident(p_table);
  return case cardinality(v_parts)
    when 1 then to_regclass(format('public.%I', v_parts[1]))
    when 2 then to_regclass(format('%I.%I', v_parts[1], v_parts[2]))
  end;
exception when invalid_parameter_value then
  return null;
end $$;
comment on function private.find_table(text) is 'The table that people mean by a name, in schema public unless it says otherwise; null when there is none.';

create function private.immutable_table(p_table text) returns public.immutable_tables
language plpgsql stable set search_path = '' as $$
declare
  v_table public.immutable_tables;
  v_class regclass := private.find_table(p_table);
begin
  select t.* into v_table from public.immutable_tables t where t.name = coalesce(private.immutable_name(v_class), p_table);
  if found then
    return v_table;
  elsif v_class is null then
    raise exception using errcode = 'PT404', hint = 'audit.table_unknown', message = format('There is no table "%s".', p_table);
  end if;
  raise exception using errcode = 'PT422', hint = 'audit.not_immutable',
    message = format('Table %s is not immutable, so nothing of it is sealed or can be verified. Call private.make_immutable(''%s'') first.', v_class, v_class);
end $$;
comment on function private.immutable_table(text) is
  'The entry of an immutable table, by its name with or without schema; raises audit.table_unknown or audit.not_immutable.';

create function private.column_list(p_table regclass) returns text[]
language sql stable set search_path = '' as $$
  select array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) order by a.attnum)
  from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped;
$$;
comment on function private.column_list(regclass) is 'The columns of a table in their order, each as "name type".';

create function private.leaf_expression(p_table regclass, p_columns integer default null) returns text
language sql stable set search_path = '' as $$
  select format('row(%s)::text', string_agg(c.field, ', ' order by c.attnum))
  from (
    select a.attnum, case when a.attname = 'leaf_hash' or a.attgenerated <> '' then 'null' else format('t.%I', a.attname) end as field
    from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped
    order by a.attnum limit p_columns
  ) c;
$$;
comment on function private.leaf_expression(regclass, integer) is
  'SQL for the leaf text of row t, over the first p_columns columns or all: equal to new::text in the trigger when evaluated under the trigger''s settings.';

create function private.leaf_candidates(p_table regclass) returns text
language sql stable set search_path = '' as $$
  select string_agg(format('(%s)', private.leaf_expression(p_table, c.count)), ', ')
  from (
    select (row_number() over (order by a.attnum))::integer as count, a.attnum,
      max(a.attnum) filter (where a.attname in ('immutable_seq', 'leaf_hash')) over () as fixed
    from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped
  ) c where c.attnum >= c.fixed;
$$;
comment on function private.leaf_candidates(regclass) is
  'SQL for the leaf texts that row t may have been hashed with, as rows of VALUES: columns that were added later are no part of it.';

-- The settings decide how values look as text; with them a row has one text in every session.
create function private.take_leaf_hash() returns trigger
language plpgsql security definer set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601'
set extra_float_digits = 1 set bytea_output = 'hex' set lc_monetary = 'C' as $$
declare
  v_sealed_seq bigint;
begin
  select t.sealed_seq into v_sealed_seq from public.immutable_tables t where t.name = tg_argv[0];
  if new.immutable_seq <= v_sealed_seq or new.immutable_seq > pg_sequence_last_value(tg_argv[1]::regclass) then
    raise exception using errcode = 'PT422', hint = 'audit.number_given',
      message = format('Number %s of %s was not taken just now. Leave immutable_seq out: the sequence gives it.', new.immutable_seq, tg_argv[0]);
  end if;
  new.leaf_hash := null;
  new.leaf_hash := sha256('\x0001'::bytea || convert_to(new::text, 'UTF8'));
  return new;
end $$;
comment on function private.take_leaf_hash() is
  'Trigger: hashes the row as it will be stored; refuses a number that the sequence did not give, or gave so long ago that it is sealed.';

create function private.refuse_change() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'DELETE' and exists (
    select from public.immutable_tables t where t.name = tg_argv[0] and t.dropping = pg_current_xact_id_if_assigned()
  ) then
    return null;
  end if;
  raise exception using errcode = 'PT403', hint = 'audit.immutable',
    message = format('%s on %s is refused: its rows are a record that nobody may change. Insert a row that corrects the earlier one.', tg_op, tg_argv[0]);
end $$;
comment on function private.refuse_change() is 'Trigger: refuses UPDATE, DELETE and TRUNCATE, whoever asks, with audit.immutable.';

create function private.make_immutable(p_table text) returns void
language plpgsql set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601'
set extra_float_digits = 1 set bytea_output = 'hex' set lc_monetary = 'C' as $$
declare
  v_table regclass := private.find_table(p_table);
  v_class record;
  v_name text := private.immutable_name(v_table);
  v_sequence text;
  v_role text;
begin
  select c.relname, c.relkind, c.relpersistence, c.relispartition, n.nspname into v_class
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = v_table;
  if not found then
    raise exception using errcode = 'PT404', hint = 'audit.table_unknown', message = format('There is no table "%s".', p_table);
  elsif v_class.relkind <> 'r' or v_class.relpersistence <> 'p' or v_class.relispartition
    or exists (select from pg_catalog.pg_inherits i where v_table in (i.inhrelid, i.inhparent)) then
    raise exception using errcode = 'PT422', hint = 'audit.table_unsuitable',
      message = format('%s cannot be made immutable: only an ordinary, logged table without partitions or children can.', v_table);
  end if;

  v_sequence := format('%I.%I', v_class.nspname, left(v_class.relname, 49) || '_immutable_seq');
  execute format('create sequence if not exists %s as bigint', v_sequence);
  if not exists (select from pg_catalog.pg_attribute a where a.attrelid = v_table and a.attname = 'immutable_seq' and not a.attisdropped) then
    execute format('alter table %s add column immutable_seq bigint not null default nextval(%L)', v_table, v_sequence);
  else
    execute format('alter table %s alter column immutable_seq type bigint, alter column immutable_seq set default nextval(%L), alter column immutable_seq set not null', v_table, v_sequence);
    execute format('select setval(%L, max(t.immutable_seq)) from %s t having max(t.immutable_seq) > 0', v_sequence, v_table);
  end if;
  execute format('alter sequence %s owned by %s.immutable_seq', v_sequence, v_table);
  if not exists (
    select from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = v_table and i.indisunique and i.indnkeyatts = 1 and i.indpred is null and a.attname = 'immutable_seq'
  ) then
    execute format('alter table %s add constraint %I unique (immutable_seq)', v_table, left(v_class.relname, 39) || '_immutable_seq_is_unique');
    execute format('comment on index %I.%I is %L', v_class.nspname, left(v_class.relname, 39) || '_immutable_seq_is_unique', 'Finds the rows of a block.');
  end if;

  if not exists (select from pg_catalog.pg_attribute a where a.attrelid = v_table and a.attname = 'leaf_hash' and not a.attisdropped) then
    execute format('alter table %s add column leaf_hash bytea', v_table);
    execute format('alter table %s disable trigger user', v_table);
    execute format('update %s t set leaf_hash = sha256(''\x0001''::bytea || convert_to(%s, ''UTF8''))', v_table, private.leaf_expression(v_table));
    execute format('alter table %s enable trigger user', v_table);
    execute format('alter table %s alter column leaf_hash set not null, add constraint leaf_hash_is_a_sha256 check (octet_length(leaf_hash) = 32)', v_table);
  end if;
  execute format('comment on column %s.immutable_seq is %L', v_table, 'The row''s number, from a sequence: rises, with gaps where a transaction did not commit.');
  execute format('comment on column %s.leaf_hash is %L', v_table, 'SHA-256 over every column, see .github/AUDIT.md.');

  perform private.guard_immutable(v_table, v_name, v_sequence);
  execute format('revoke update, delete, truncate, references, trigger on %s from public, anon, authenticated, service_role', v_table);
  execute format('revoke all on sequence %s from public, anon, authenticated, service_role', v_sequence);
  foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
    if has_table_privilege(v_role, v_table, 'insert') then
      execute format('grant usage on sequence %s to %I', v_sequence, v_role);
    end if;
  end loop;
  insert into public.immutable_tables (name, sequence_name) values (v_name, v_sequence) on conflict do nothing;
end $$;
comment on function private.make_immutable(text) is
  'Makes a table immutable: adds immutable_seq and leaf_hash, hashes the rows it has, refuses every later change, and registers it for sealing. Safe to repeat, for example after INSERT was granted to a role. Raises audit.table_unknown, audit.table_unsuitable.';

create function private.guard_immutable(p_table regclass, p_name text, p_sequence text) returns void
language plpgsql set search_path = '' as $$
declare
  v_trigger record;
begin
  for v_trigger in select * from (values
    -- Row triggers fire in the order of their names: this one sees what the others made of the row.
    ('zz_immutable_leaf', 'before insert on %s for each row', format('private.take_leaf_hash(%L, %L)', p_name, p_sequence), 'Hashes the row as the last of the row''s triggers.'),
    ('immutable_guard', 'before update or delete or truncate on %s for each statement', format('private.refuse_change(%L)', p_name), 'Rows can only be inserted.')
  ) t (name, event, call, reason) loop
    execute format('create or replace trigger %I %s execute function %s', v_trigger.name, format(v_trigger.event, p_table), v_trigger.call);
    execute format('alter table %s enable always trigger %I', p_table, v_trigger.name);
    execute format('comment on trigger %I on %s is %L', v_trigger.name, p_table, v_trigger.reason);
  end loop;
end $$;
comment on function private.guard_immutable(regclass, text, text) is 'Creates, or repairs, the two triggers of an immutable table.';

revoke execute on function private.immutable_name(regclass), private.find_table(text), private.immutable_table(text),
  private.column_list(regclass), private.leaf_expression(regclass, integer), private.leaf_candidates(regclass), private.take_leaf_hash(),
  private.refuse_change(), private.make_immutable(text), private.guard_immutable(regclass, text, text)
  from public, anon, authenticated, service_role;
