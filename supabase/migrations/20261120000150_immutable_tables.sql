-- Tables whose rows can be inserted, and never changed: each row takes a number and a hash of all its columns.
-- What a leaf hash covers is .github/AUDIT.md; what makes it proof is in the sealing migration.

create table public.immutable_tables (
  name text primary key,
  sequence_name text not null,
  created_at timestamptz not null default now(),
  sealed_seq bigint not null default 0,
  complete_at timestamptz not null default now(),
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
comment on column public.immutable_tables.complete_at is 'When sealing last left no number behind.';
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
  v_table regclass;
  v_parts text[];
begin
  -- Its name as immutable_tables has it comes first: that is written without quotes, whatever the name needs.
  select c.oid into v_table
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where (n.nspname = 'public' and c.relname = p_table) or (c.relname = split_part(p_table, '.', -1) and n.nspname || '.' || c.relname = p_table)
  order by n.nspname <> 'public' limit 1;
  if found then
    return v_table;
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
language sql stable set search_path = '' set quote_all_identifiers = off as $$
  select array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) order by a.attnum)
  from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped;
$$;
comment on function private.column_list(regclass) is 'The columns of a table in their order, each as "name type".';

create function private.leaf_expression(p_table regclass, p_columns integer default null, p_alias text default 't.') returns text
language sql stable set search_path = '' as $$
  select format('row(%s)::text', string_agg(c.field, ', ' order by c.attnum))
  from (
    select a.attnum, case when a.attname = 'leaf_hash' or a.attgenerated <> '' then 'null' else p_alias || format('%I', a.attname) end as field
    from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped
    order by a.attnum limit p_columns
  ) c;
$$;
comment on function private.leaf_expression(regclass, integer, text) is
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

-- A number is taken here and nowhere else: so whoever has one holds the table's lock from before until the end of
-- his transaction, by which sealing knows that a number is decided. One taken by hand, earlier, would be void by then.
-- The settings decide how values look as text; with them a row has one text in every session.
create function private.record_row() returns trigger
language plpgsql security definer set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601'
set extra_float_digits = 1 set bytea_output = 'hex' set lc_monetary = 'C' as $$
begin
  if new.immutable_seq <> 0 then
    raise exception using errcode = 'PT422', hint = 'audit.number_given',
      message = format('A row for %s came with the number %s. Leave immutable_seq out: each row takes its number from the sequence.', tg_argv[0], new.immutable_seq);
  end if;
  new.immutable_seq := nextval(tg_argv[1]::regclass);
  new.leaf_hash := null;
  new.leaf_hash := sha256('\x0001'::bytea || convert_to(new::text, 'UTF8'));
  return new;
end $$;
comment on function private.record_row() is
  'Trigger: gives the row its number and hashes it as it will be stored; refuses a number that came with the row.';

create function private.refuse_change() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'DELETE' and exists (
    select from public.immutable_tables t where t.name = tg_argv[0] and t.dropping = pg_current_xact_id_if_assigned()
  ) then
    return old;
  end if;
  raise exception using errcode = 'PT403', hint = 'audit.immutable',
    message = format('%s on %s is refused: its rows are a record that nobody may change. Insert a row that corrects the earlier one.', tg_op, tg_argv[0]);
end $$;
comment on function private.refuse_change() is 'Trigger: refuses UPDATE, DELETE and TRUNCATE, whoever asks, with audit.immutable.';

create function private.is_suitable(p_table regclass) returns boolean
language sql stable set search_path = '' as $$
  select c.relkind = 'r' and c.relpersistence = 'p' and not c.relispartition
    and not exists (select from pg_catalog.pg_inherits i where c.oid in (i.inhrelid, i.inhparent))
    -- Its name in immutable_tables must be its own.
    and strpos(c.relname, '.') = 0 and strpos(n.nspname, '.') = 0
    and not exists (
      select from pg_catalog.pg_attribute a where a.attrelid = c.oid and not a.attisdropped and (
        a.attname = 'immutable_seq' and (a.atttypid not in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) or a.attgenerated <> '')
        or a.attname = 'leaf_hash' and (a.atttypid <> 'bytea'::regtype or a.attgenerated <> '')))
    -- Row triggers fire in the order of their names, and the last one must hash the row.
    and not exists (
      select from pg_catalog.pg_trigger t
      where t.tgrelid = c.oid and not t.tgisinternal and t.tgtype & 7 = 7 and t.tgname collate "C" > 'zz_immutable_leaf')
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = p_table;
$$;
comment on function private.is_suitable(regclass) is 'Whether a table can be made immutable.';

create function private.number_rows(p_table regclass, p_sequence text) returns void
language plpgsql set search_path = '' as $$
declare
  v_index text := left((select c.relname from pg_catalog.pg_class c where c.oid = p_table), 39) || '_immutable_seq_is_unique';
  v_type regtype := (select a.atttypid from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attname = 'immutable_seq' and not a.attisdropped);
  v_unsuitable boolean;
begin
  -- A number that a session holds in advance could be used after it was sealed as void.
  execute format('alter sequence %s as bigint increment 1 minvalue 1 no maxvalue cache 1 no cycle', p_sequence);
  if v_type is null then
    execute format('alter table %s add column immutable_seq bigint not null default nextval(%L)', p_table, p_sequence);
  elsif v_type <> 'bigint'::regtype then
    execute format('alter table %s alter column immutable_seq drop identity if exists, alter column immutable_seq drop default, alter column immutable_seq type bigint', p_table);
  end if;
  execute format('select exists (select from %s t where coalesce(t.immutable_seq, 0) < 1)', p_table) into v_unsuitable;
  if v_unsuitable then
    raise exception using errcode = 'PT422', hint = 'audit.table_unsuitable',
      message = format('%s cannot be made immutable: it has rows whose immutable_seq is no number from 1 on. Give them numbers first.', p_table);
  end if;
  -- 0 asks for a number. Generated types would require a column that has no default.
  execute format('alter table %s alter column immutable_seq drop identity if exists, alter column immutable_seq set not null', p_table);
  execute format('alter table %s alter column immutable_seq set default 0', p_table);
  execute format('alter sequence %s owner to %s', p_sequence, (select c.relowner::regrole from pg_catalog.pg_class c where c.oid = p_table));
  execute format('alter sequence %s owned by %s.immutable_seq', p_sequence, p_table);
  -- Never back: a number that no row has may be sealed as void.
  execute format(
    'select setval(%1$L, m.number) from (select greatest(max(t.immutable_seq), pg_sequence_last_value(%1$L), (select i.sealed_seq from public.immutable_tables i where i.name = %3$L)) as number from %2$s t) m where m.number > 0',
    p_sequence, p_table, private.immutable_name(p_table));
  if not exists (
    select from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = p_table and i.indisunique and i.indnkeyatts = 1 and i.indpred is null and i.indimmediate and i.indisvalid and a.attname = 'immutable_seq'
  ) then
    execute format('alter table %s add constraint %I unique (immutable_seq)', p_table, v_index);
    execute format('comment on index %s.%I is %L', (select c.relnamespace::regnamespace from pg_catalog.pg_class c where c.oid = p_table), v_index, 'Finds the rows of a block.');
  end if;
  execute format('comment on column %s.immutable_seq is %L', p_table, 'The row''s number, from a sequence: rises, with gaps where a transaction did not commit.');
end $$;
comment on function private.number_rows(regclass, text) is 'Gives a table its column immutable_seq, numbers the rows it has, and prepares the sequence.';

create function private.hash_rows(p_table regclass) returns void
language plpgsql set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601'
set extra_float_digits = 1 set bytea_output = 'hex' set lc_monetary = 'C' as $$
begin
  if not exists (select from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attname = 'leaf_hash' and not a.attisdropped) then
    execute format('alter table %s add column leaf_hash bytea, add constraint leaf_hash_is_a_sha256 check (octet_length(leaf_hash) = 32)', p_table);
  elsif exists (select from public.immutable_tables t where t.name = private.immutable_name(p_table)) then
    return;
  end if;
  -- Writes every row anew, as an update would, but calls no trigger.
  execute format('alter table %s alter column leaf_hash type bytea using sha256(''\x0001''::bytea || convert_to(%s, ''UTF8''))',
    p_table, private.leaf_expression(p_table, null, ''));
  execute format('alter table %s alter column leaf_hash set not null, alter column leaf_hash set default ''''', p_table);
  execute format('comment on column %s.leaf_hash is %L', p_table, 'SHA-256 over every column, see .github/AUDIT.md.');
end $$;
comment on function private.hash_rows(regclass) is 'Gives a table its column leaf_hash, with the hash of each row it has.';

create function private.make_immutable(p_table text) returns void
language plpgsql set search_path = '' set client_min_messages = 'warning' as $$
declare
  v_table regclass := private.find_table(p_table);
  v_name text := private.immutable_name(v_table);
  v_sequence text;
begin
  if v_table is null then
    raise exception using errcode = 'PT404', hint = 'audit.table_unknown', message = format('There is no table "%s".', p_table);
  elsif not private.is_suitable(v_table) then
    raise exception using errcode = 'PT422', hint = 'audit.table_unsuitable', message = format(
      '%s cannot be made immutable. It must be an ordinary, logged table without partitions, parents or children, without a dot in its name, with no immutable_seq but of integers, no leaf_hash but of bytea, and no trigger before insert whose name sorts after zz_immutable_leaf.', v_table);
  end if;
  execute format('lock table %s in access exclusive mode', v_table);
  select format('%I.%I', n.nspname, left(c.relname, 49) || '_immutable_seq') into v_sequence
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = v_table;
  execute format('create sequence if not exists %s', v_sequence);
  if exists (select from pg_catalog.pg_depend d where d.objid = v_sequence::regclass and d.deptype in ('a', 'i') and d.refclassid = 'pg_class'::regclass and d.refobjid <> v_table) then
    raise exception using errcode = 'PT422', hint = 'audit.table_unsuitable',
      message = format('%s cannot be made immutable: the sequence that would number its rows, %s, belongs to another table.', v_table, v_sequence);
  end if;

  perform private.number_rows(v_table, v_sequence), private.hash_rows(v_table), private.guard_immutable(v_table, v_name, v_sequence);
  execute format('revoke update, delete, truncate, references, trigger on %s from public, anon, authenticated, service_role', v_table);
  execute format('revoke all on sequence %s from public, anon, authenticated, service_role', v_sequence);
  insert into public.immutable_tables (name, sequence_name) values (v_name, v_sequence) on conflict do nothing;
end $$;
comment on function private.make_immutable(text) is
  'Makes a table immutable: adds immutable_seq and leaf_hash, hashes the rows it has, refuses every later change, and registers it for sealing. Safe to repeat. Raises audit.table_unknown, audit.table_unsuitable.';

create function private.guard_immutable(p_table regclass, p_name text, p_sequence text) returns void
language plpgsql set search_path = '' as $$
declare
  v_trigger record;
begin
  for v_trigger in select * from (values
    -- Row triggers fire in the order of their names: this one sees what the others made of the row.
    ('zz_immutable_leaf', 'before insert on %s for each row', format('private.record_row(%L, %L)', p_name, p_sequence), 'Numbers and hashes the row, as the last of its triggers.'),
    ('immutable_guard', 'before update or delete or truncate on %s for each statement', format('private.refuse_change(%L)', p_name), 'Rows can only be inserted.'),
    ('immutable_guard_of_rows', 'before update or delete on %s for each row', format('private.refuse_change(%L)', p_name), 'Nor through a parent that the table was given later.')
  ) t (name, event, call, reason) loop
    execute format('create or replace trigger %I %s execute function %s', v_trigger.name, format(v_trigger.event, p_table), v_trigger.call);
    execute format('alter table %s enable always trigger %I', p_table, v_trigger.name);
    execute format('comment on trigger %I on %s is %L', v_trigger.name, p_table, v_trigger.reason);
  end loop;
end $$;
comment on function private.guard_immutable(regclass, text, text) is 'Creates, or repairs, the three triggers of an immutable table.';

revoke execute on function private.immutable_name(regclass), private.find_table(text), private.immutable_table(text),
  private.column_list(regclass), private.leaf_expression(regclass, integer, text), private.leaf_candidates(regclass), private.record_row(),
  private.refuse_change(), private.is_suitable(regclass), private.number_rows(regclass, text), private.hash_rows(regclass),
  private.make_immutable(text), private.guard_immutable(regclass, text, text)
  from public, anon, authenticated, service_role;
