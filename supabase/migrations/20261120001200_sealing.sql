-- Sealing: rows whose transactions have ended get a position for good, in blocks under one Merkle tree for each table.
-- The format is .github/AUDIT.md; the trees are those of RFC 6962, section 2.1.

create table public.audit_blocks (
  table_name text not null references public.immutable_tables (name),
  number bigint not null,
  first_seq bigint not null,
  last_seq bigint not null,
  voids int8multirange not null,
  first_position bigint not null,
  rows integer not null,
  size bigint not null,
  root bytea not null,
  frontier bytea not null,
  leaves bytea not null,
  columns text[] not null,
  sealed_at timestamptz not null default now(),
  prev_hash bytea not null,
  row_hash bytea not null,
  constraint audit_blocks_pkey primary key (table_name, number),
  constraint audit_blocks_cover_numbers check (first_seq between 1 and last_seq),
  constraint audit_blocks_count_every_number check (size = first_position + rows),
  constraint audit_blocks_hold_a_leaf_for_each_row check (octet_length(leaves) = 32 * rows)
);
comment on table public.audit_blocks is 'Sealed rows, block after block: each number of a block is a row of it, or void.';
comment on column public.audit_blocks.table_name is 'The immutable table.';
comment on column public.audit_blocks.number is '1, 2, 3 ... for each table.';
comment on column public.audit_blocks.first_seq is 'First number of the block; follows the last of the block before.';
comment on column public.audit_blocks.last_seq is 'Last number of the block.';
comment on column public.audit_blocks.voids is 'Numbers that no row has, because their transactions did not commit.';
comment on column public.audit_blocks.first_position is 'Position of its first row among all rows ever sealed, from 0.';
comment on column public.audit_blocks.rows is 'How many rows it seals.';
comment on column public.audit_blocks.size is 'How many rows are sealed with it: the size of the tree.';
comment on column public.audit_blocks.root is 'RFC 6962 root of the tree of that size.';
comment on column public.audit_blocks.frontier is 'Roots of the perfect subtrees that the tree consists of, largest first, 32 bytes each: all that appending needs.';
comment on column public.audit_blocks.leaves is 'Leaf hashes of its rows in order, 32 bytes each: says which row was touched, and proves rows that were exported and dropped.';
comment on column public.audit_blocks.columns is 'The table''s columns then, as "name type".';
comment on column public.audit_blocks.sealed_at is 'When it was sealed.';
comment on column public.audit_blocks.prev_hash is 'row_hash of the block before, zeros for the first.';
comment on column public.audit_blocks.row_hash is 'SHA-256 over all that the block says.';
-- Hashes do not compress, and a part of them can be read without the rest.
alter table public.audit_blocks alter column leaves set storage external;

create table public.audit_nodes (
  table_name text not null references public.immutable_tables (name),
  level smallint not null,
  index bigint not null,
  hash bytea not null,
  constraint audit_nodes_pkey primary key (table_name, level, index)
);
comment on table public.audit_nodes is 'Roots of the perfect subtrees of 1,024 and more rows, so that a proof reads few rows.';
comment on column public.audit_nodes.table_name is 'The immutable table.';
comment on column public.audit_nodes.level is 'The subtree has 2^level rows.';
comment on column public.audit_nodes.index is 'Its rows begin at position index * 2^level.';
comment on column public.audit_nodes.hash is 'Its root.';

alter table public.audit_blocks enable row level security;
alter table public.audit_nodes enable row level security;
revoke all on public.audit_blocks, public.audit_nodes from public, anon, authenticated, service_role;
grant select on public.audit_blocks, public.audit_nodes to service_role;

create trigger audit_blocks_guard before update or delete or truncate on public.audit_blocks
  for each statement execute function private.refuse_change('audit_blocks');
comment on trigger audit_blocks_guard on public.audit_blocks is 'Blocks can only be added.';
alter table public.audit_blocks enable always trigger audit_blocks_guard;
create trigger audit_nodes_guard before update or delete or truncate on public.audit_nodes
  for each statement execute function private.refuse_change('audit_nodes');
comment on trigger audit_nodes_guard on public.audit_nodes is 'Nodes can only be added.';
alter table public.audit_nodes enable always trigger audit_nodes_guard;

create function private.merkle_append(p_size bigint, p_frontier bytea, p_leaves bytea, out frontier bytea, out levels bytea[])
language plpgsql immutable set search_path = '' as $$
declare
  v_size bigint := p_size;
  v_old bytea := p_frontier;
  v_nodes bytea := p_leaves;
  v_count integer;
begin
  frontier := '';
  while v_size > 0 or v_nodes <> '' loop
    if v_size % 2 = 1 then
      v_nodes := substr(v_old, octet_length(v_old) - 31) || v_nodes;
      v_old := substr(v_old, 1, octet_length(v_old) - 32);
    end if;
    v_count := octet_length(v_nodes) / 32;
    if v_count % 2 = 1 then
      frontier := substr(v_nodes, v_count * 32 - 31) || frontier;
    end if;
    -- A block of a minute has few rows, and nothing to hash at most levels of a large tree.
    if v_count < 2 then
      v_nodes := '';
    else
      -- The series comes in order, and aggregates take their input as it comes.
      select string_agg(sha256('\x01'::bytea || substr(v_nodes, i * 64 + 1, 64)), '') into v_nodes
      from generate_series(0, v_count / 2 - 1) i;
    end if;
    levels := levels || v_nodes;
    v_size := v_size / 2;
  end loop;
end $$;
comment on function private.merkle_append(bigint, bytea, bytea) is
  'Appends leaf hashes (32 bytes each, concatenated) to a tree of p_size leaves given by its frontier: the new frontier, and in levels[l] the nodes of level l that became complete, concatenated.';

create function private.merkle_fold(p_frontier bytea) returns bytea
language plpgsql immutable set search_path = '' as $$
declare
  v_last integer := octet_length(p_frontier) / 32 - 1;
  v_root bytea := substr(p_frontier, v_last * 32 + 1);
begin
  if v_last < 0 then
    return sha256('');
  end if;
  for i in reverse v_last - 1 .. 0 loop
    v_root := sha256('\x01'::bytea || substr(p_frontier, i * 32 + 1, 32) || v_root);
  end loop;
  return v_root;
end $$;
comment on function private.merkle_fold(bytea) is 'RFC 6962 root of the tree with this frontier; SHA-256 of nothing for the empty tree.';

create function private.block_hash(p_block public.audit_blocks) returns bytea
language plpgsql immutable set search_path = '' as $$
begin
  return sha256(convert_to(concat_ws(E'\n',
    'audit block v1', p_block.table_name, p_block.number, p_block.first_seq, p_block.last_seq, p_block.voids, p_block.first_position,
    p_block.size, encode(p_block.root, 'hex'), array_to_string(p_block.columns, ','),
    (extract(epoch from p_block.sealed_at) * 1000000)::bigint, encode(p_block.prev_hash, 'hex')), 'UTF8'));
end $$;
comment on function private.block_hash(public.audit_blocks) is 'What row_hash must be: SHA-256 over what a block says and the hash of the block before.';

create function private.seal_limit(p_table public.immutable_tables) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_class regclass := private.find_table(p_table.name);
  v_last_seq bigint;
  v_writers text[];
begin
  if v_class is null then
    raise exception using errcode = 'PT404', hint = 'audit.table_unknown',
      message = format('Table %s is gone, so nothing of it can be sealed. Give it its name back, or restore it.', p_table.name);
  end if;
  v_last_seq := coalesce(pg_sequence_last_value(p_table.sequence_name::regclass), 0);
  if v_last_seq < p_table.sealed_seq or not exists (
    select from pg_catalog.pg_sequence s where s.seqrelid = p_table.sequence_name::regclass and s.seqincrement = 1 and s.seqcache = 1
  ) then
    raise exception using errcode = 'PT409', hint = 'audit.sequence_unsuitable', message = format(
      'Sequence %s was set back, or no longer gives its numbers one by one, so rows of %s could take numbers that are sealed. Call private.make_immutable(''%s''), which mends it.',
      p_table.sequence_name, p_table.name, p_table.name);
  end if;
  -- Who inserts holds this lock from before the row takes its number until the end is visible to everybody. Read after the
  -- sequence, the locks show every transaction that may still commit a number up to v_last_seq.
  select coalesce(array_agg(l.virtualtransaction), '{}') into v_writers
  from pg_catalog.pg_locks l
  where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.granted and l.pid is distinct from pg_backend_pid()
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
    and l.relation = v_class;
  if v_writers = '{}' then
    update public.immutable_tables t set pending_seq = null, pending_writers = null where t.name = p_table.name and t.pending_seq is not null;
    return greatest(v_last_seq, p_table.sealed_seq);
  end if;
  -- Who was prepared for a two-phase commit goes on under another id, so all of those are waited for.
  if p_table.pending_writers && v_writers or exists (select from unnest(v_writers) w where w like '-1/%') then
    return p_table.sealed_seq;
  end if;
  update public.immutable_tables t set pending_seq = v_last_seq, pending_writers = v_writers where t.name = p_table.name;
  return greatest(p_table.pending_seq, p_table.sealed_seq);
end $$;
comment on function private.seal_limit(public.immutable_tables) is
  'Up to which number every row is committed or will never be. When writers are under way it notes them, and a later call, after their end, knows more.';

create function private.seal_block(p_table public.immutable_tables, p_head public.audit_blocks, p_limit bigint) returns public.audit_blocks
language plpgsql set search_path = '' as $$
declare
  v_class regclass := private.find_table(p_table.name);
  v_block public.audit_blocks;
  v_tree record;
begin
  v_block.table_name := p_table.name;
  v_block.number := coalesce(p_head.number, 0) + 1;
  v_block.first_seq := coalesce(p_head.last_seq, 0) + 1;
  v_block.last_seq := least(p_limit, v_block.first_seq + 65535);
  v_block.first_position := coalesce(p_head.size, 0);
  execute format('select coalesce(string_agg(s.leaf_hash, ''''), ''''), count(*) from (select t.leaf_hash from %s t where t.immutable_seq between $1 and $2 order by t.immutable_seq) s', v_class)
    into v_block.leaves, v_block.rows using v_block.first_seq, v_block.last_seq;
  v_block.voids := '{}';
  if v_block.rows <= v_block.last_seq - v_block.first_seq then
    execute format(
      'select range_agg(int8range(g.first, g.next)) from (select lag(s.seq, 1, $1 - 1) over (order by s.seq) + 1 as first, s.seq as next
       from (select t.immutable_seq as seq from %s t where t.immutable_seq between $1 and $2 union all select $2 + 1) s) g where g.first < g.next', v_class)
      into v_block.voids using v_block.first_seq, v_block.last_seq;
  end if;

  v_block.size := v_block.first_position + v_block.rows;
  v_tree := private.merkle_append(v_block.first_position, coalesce(p_head.frontier, ''), v_block.leaves);
  v_block.frontier := v_tree.frontier;
  v_block.root := private.merkle_fold(v_block.frontier);
  v_block.columns := private.column_list(v_class);
  v_block.sealed_at := now();
  v_block.prev_hash := coalesce(p_head.row_hash, decode(repeat('00', 32), 'hex'));
  v_block.row_hash := private.block_hash(v_block);

  insert into public.audit_blocks values (v_block.*);
  insert into public.audit_nodes (table_name, level, index, hash)
  select p_table.name, l, (v_block.first_position >> l) + i, substr(v_tree.levels[l], i * 32 + 1, 32)
  from generate_series(10, cardinality(v_tree.levels)) l, generate_series(0, octet_length(v_tree.levels[l]) / 32 - 1) i;
  return v_block;
end $$;
comment on function private.seal_block(public.immutable_tables, public.audit_blocks, bigint) is
  'Seals the next block after p_head, at most 65,536 numbers and none above p_limit.';

create function private.seal_table(p_name text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_table public.immutable_tables;
  v_head public.audit_blocks;
  v_limit bigint;
  v_sealed bigint := 0;
  v_voids bigint := 0;
  v_waiting bigint;
begin
  -- One sealer at a time; who inserts or verifies does not wait.
  select t.* into v_table from public.immutable_tables t where t.name = p_name for no key update;
  select b.* into v_head from public.audit_blocks b where b.table_name = p_name order by b.number desc limit 1;
  v_limit := private.seal_limit(v_table);
  -- A backlog takes several calls: one that runs into a time limit would have to begin again each time.
  for i in 1 .. 256 loop
    exit when coalesce(v_head.last_seq, 0) >= v_limit;
    v_head := private.seal_block(v_table, v_head, v_limit);
    v_sealed := v_sealed + v_head.rows;
    v_voids := v_voids + v_head.last_seq - v_head.first_seq + 1 - v_head.rows;
  end loop;
  v_waiting := coalesce(pg_sequence_last_value(v_table.sequence_name::regclass), 0) - coalesce(v_head.last_seq, 0);
  update public.immutable_tables t
  set sealed_seq = coalesce(v_head.last_seq, 0), complete_at = case when v_waiting = 0 then now() else t.complete_at end
  where t.name = p_name;
  if v_sealed > 0 then
    perform private.publish(p_name);
  end if;
  return jsonb_build_object('table', p_name, 'sealed', v_sealed, 'voids', v_voids, 'size', coalesce(v_head.size, 0),
    'root', encode(coalesce(v_head.root, sha256('')), 'base64'),
    'waiting', v_waiting);
end $$;
comment on function private.seal_table(text) is 'Seals what can be sealed of one table, at most 256 blocks; what it did.';

create function public.seal_audit(p_table text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_name text;
  v_sealed jsonb := '[]'::jsonb;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = 'PT422', hint = 'audit.isolation',
      message = 'Sealing must see what has been committed until now. Call it in a transaction of isolation level read committed.';
  end if;
  -- A block that was published must not be lost in a crash.
  perform set_config('synchronous_commit', 'on', true);
  if p_table is not null then
    return jsonb_build_array(private.seal_table((private.immutable_table(p_table)).name));
  end if;
  -- A table that somebody locks for long, to alter it or to drop a segment, does not stop the others either.
  perform set_config('lock_timeout', '1s', true);
  for v_name in select t.name from public.immutable_tables t order by t.name loop
    begin
      v_sealed := v_sealed || private.seal_table(v_name);
    exception when others then
      -- One broken table does not stop the others.
      raise warning using errcode = sqlstate, hint = 'audit.not_sealed', message = format('Table %s was not sealed: %s', v_name, sqlerrm);
      v_sealed := v_sealed || jsonb_build_object('table', v_name, 'error', sqlerrm);
    end;
  end loop;
  return v_sealed;
end $$;
comment on function public.seal_audit(text) is
  'Seals the rows of one immutable table, or of all, whose transactions have ended: [{table, sealed, voids, size, root, waiting}], root in base64, waiting = numbers that are not decided yet. Raises audit.isolation, audit.table_unknown, audit.not_immutable, audit.sequence_unsuitable.';

revoke execute on function private.merkle_append(bigint, bytea, bytea), private.merkle_fold(bytea),
  private.block_hash(public.audit_blocks), private.seal_limit(public.immutable_tables),
  private.seal_block(public.immutable_tables, public.audit_blocks, bigint), private.seal_table(text)
  from public, anon, authenticated, service_role;
revoke execute on function public.seal_audit(text) from public, anon, authenticated;
grant execute on function public.seal_audit(text) to service_role;

insert into public.timers (name, schedule, command, description) values (
  'seal-audit', '* * * * *', 'select public.seal_audit()', 'Seals the rows of the immutable tables.'
);
