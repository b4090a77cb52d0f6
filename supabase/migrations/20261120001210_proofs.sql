-- Proofs that anybody can check without the database: that a row is among the sealed ones (RFC 6962, section 2.1.1),
-- and that what was sealed once is still the beginning of what is sealed now (section 2.1.2).

create unique index audit_blocks_by_first_seq on public.audit_blocks (table_name, first_seq);
comment on index public.audit_blocks_by_first_seq is 'Finds the block of a number.';
create index audit_blocks_by_first_position on public.audit_blocks (table_name, first_position);
comment on index public.audit_blocks_by_first_position is 'Finds the blocks that hold the leaves of some positions.';

create function private.audit_leaves(p_table text, p_first bigint, p_end bigint) returns bytea
language plpgsql stable set search_path = '' as $$
declare
  v_leaves bytea;
begin
  select string_agg(substr(b.leaves, (greatest(p_first - b.first_position, 0) * 32 + 1)::integer,
      ((least(p_end, b.size) - greatest(p_first, b.first_position)) * 32)::integer), '' order by b.number) into v_leaves
  from public.audit_blocks b
  where b.table_name = p_table and b.first_position < p_end and b.size > p_first and b.first_position >= (
    select max(s.first_position) from public.audit_blocks s where s.table_name = p_table and s.first_position <= p_first
  );
  return coalesce(v_leaves, '');
end $$;
comment on function private.audit_leaves(text, bigint, bigint) is
  'Leaf hashes of the rows of a log from position p_first until before p_end, concatenated.';

create function private.merkle_range(p_table text, p_first bigint, p_end bigint) returns bytea
language plpgsql stable set search_path = '' as $$
declare
  v_size bigint := p_end - p_first;
  v_frontier bytea := ''::bytea;
begin
  if v_size >= 1024 then
    -- The range begins where a perfect subtree does, so each bit of its size is one that ends at the same bit of its end.
    select coalesce(string_agg(n.hash, '' order by n.level desc), '') into v_frontier
    from generate_series(10, 62) l
    join public.audit_nodes n on n.table_name = p_table and n.level = l and n.index = (p_end >> l) - 1
    where (v_size >> l) & 1 = 1;
  end if;
  if v_size % 1024 > 0 then
    v_frontier := v_frontier || (private.merkle_append(0, '', private.audit_leaves(p_table, p_end - v_size % 1024, p_end))).frontier;
  end if;
  if octet_length(v_frontier) <> 32 * bit_count(v_size::bit(64)) then
    raise exception using errcode = 'PT409', hint = 'audit.damaged',
      message = format('A part of the tree of %s is missing, so nothing is proved with it. Run verify_audit_integrity(''%s'') to see what is damaged.', p_table, p_table);
  end if;
  return private.merkle_fold(v_frontier);
end $$;
comment on function private.merkle_range(text, bigint, bigint) is
  'Root over the rows of a log from position p_first until before p_end: MTH(D[first:end]) of RFC 6962, for the ranges that occur there, which begin at a multiple of a power of two no less than their length. Reads at most 53 nodes and 1,023 leaves. Raises audit.damaged.';

create function private.merkle_path(p_table text, p_size bigint, p_position bigint, p_last boolean) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_first bigint := 0;
  v_end bigint := p_size;
  v_half bigint := 1::bigint << 62;
  v_sibling bytea;
  v_path jsonb := '[]'::jsonb;
begin
  -- From the root down to the leaf, or to the subtree whose last leaf it is; the path goes up.
  while v_end - v_first > 1 and not (p_last and v_end = p_position + 1) loop
    while v_half >= v_end - v_first loop
      v_half := v_half / 2;
    end loop;
    if p_position < v_first + v_half then
      v_sibling := private.merkle_range(p_table, v_first + v_half, v_end);
      v_end := v_first + v_half;
    else
      v_sibling := private.merkle_range(p_table, v_first, v_first + v_half);
      v_first := v_first + v_half;
    end if;
    v_path := jsonb_build_array(encode(v_sibling, 'base64')) || v_path;
  end loop;
  if p_last and v_first > 0 then
    v_path := jsonb_build_array(encode(private.merkle_range(p_table, v_first, v_end), 'base64')) || v_path;
  end if;
  return v_path;
end $$;
comment on function private.merkle_path(text, bigint, bigint, boolean) is
  'PATH(p_position, D[p_size]) of RFC 6962 as base64; with p_last PROOF(p_position + 1, D[p_size]): what proves the tree that ends with that row.';

create function private.audit_size(p_table text, p_size bigint) returns bigint
language plpgsql stable set search_path = '' as $$
declare
  v_sealed bigint := coalesce((select b.size from public.audit_blocks b where b.table_name = p_table order by b.number desc limit 1), 0);
begin
  if p_size not between 0 and v_sealed then
    raise exception using errcode = 'PT422', hint = 'audit.range_invalid',
      message = format('Table %s has no tree of %s rows: %s are sealed. Ask for a size from 0 to %s.', p_table, p_size, v_sealed, v_sealed);
  end if;
  return coalesce(p_size, v_sealed);
end $$;
comment on function private.audit_size(text, bigint) is
  'A size that a log''s tree has or had; without one, how many rows are sealed. Raises audit.range_invalid.';

create function private.audit_position(p_table public.immutable_tables, p_seq bigint) returns bigint
language plpgsql stable set search_path = '' as $$
declare
  v_block public.audit_blocks;
begin
  select b.* into v_block from public.audit_blocks b
  where b.table_name = p_table.name and b.first_seq <= p_seq order by b.first_seq desc limit 1;
  if p_seq <= v_block.last_seq and not v_block.voids @> p_seq then
    return v_block.first_position + p_seq - v_block.first_seq - (
      select coalesce(sum(upper(r) - lower(r)), 0) from unnest(v_block.voids) r where upper(r) <= p_seq
    );
  elsif p_seq > coalesce(v_block.last_seq, 0) and p_seq <= pg_sequence_last_value(p_table.sequence_name::regclass) then
    raise exception using errcode = 'PT409', hint = 'audit.not_sealed',
      message = format('Row %s of %s is not sealed yet; that happens within a minute of its commit. Ask again then.', p_seq, p_table.name);
  end if;
  raise exception using errcode = 'PT404', hint = 'audit.row_unknown',
    message = format('Table %s has no row %s: the number was never given, or its transaction did not commit.', p_table.name, coalesce(p_seq::text, 'null'));
end $$;
comment on function private.audit_position(public.immutable_tables, bigint) is
  'Position of the row with a number among all sealed rows, from 0. Raises audit.not_sealed, audit.row_unknown.';

create function public.audit_inclusion_proof(p_table text, p_seq bigint, p_size bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table public.immutable_tables := private.immutable_table(p_table);
  v_size bigint := private.audit_size(v_table.name, p_size);
  v_position bigint := private.audit_position(v_table, p_seq);
begin
  if v_position >= v_size then
    raise exception using errcode = 'PT422', hint = 'audit.range_invalid',
      message = format('Row %s of %s is not among the first %s rows: its position is %s. Ask for a size above that.', p_seq, v_table.name, v_size, v_position);
  end if;
  return jsonb_build_object('table', v_table.name, 'seq', p_seq, 'position', v_position, 'size', v_size,
    'root', encode(private.merkle_range(v_table.name, 0, v_size), 'base64'),
    'leafHash', encode(private.merkle_range(v_table.name, v_position, v_position + 1), 'base64'),
    'proof', private.merkle_path(v_table.name, v_size, v_position, false));
end $$;
comment on function public.audit_inclusion_proof(text, bigint, bigint) is
  'Proves that the row with number p_seq is one of the first p_size sealed rows, or of all: {table, seq, position, size, root, leafHash, proof}, hashes in base64. Raises audit.table_unknown, audit.not_immutable, audit.not_sealed, audit.row_unknown, audit.range_invalid, audit.damaged.';

create function public.audit_consistency_proof(p_table text, p_old_size bigint, p_new_size bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table public.immutable_tables := private.immutable_table(p_table);
  v_new_size bigint := private.audit_size(v_table.name, p_new_size);
begin
  if p_old_size between 0 and v_new_size then
    return jsonb_build_object('table', v_table.name,
      'oldSize', p_old_size, 'oldRoot', encode(private.merkle_range(v_table.name, 0, p_old_size), 'base64'),
      'newSize', v_new_size, 'newRoot', encode(private.merkle_range(v_table.name, 0, v_new_size), 'base64'),
      'proof', case p_old_size when 0 then '[]' else private.merkle_path(v_table.name, v_new_size, p_old_size - 1, true) end);
  end if;
  raise exception using errcode = 'PT422', hint = 'audit.range_invalid',
    message = format('The old size of %s must be from 0 to the new one, which is %s; it is %s.', v_table.name, v_new_size, coalesce(p_old_size::text, 'null'));
end $$;
comment on function public.audit_consistency_proof(text, bigint, bigint) is
  'Proves that the first p_old_size rows of a log are unchanged among its first p_new_size, or all: {table, oldSize, oldRoot, newSize, newRoot, proof}, hashes in base64. Raises audit.table_unknown, audit.not_immutable, audit.range_invalid, audit.damaged.';

revoke execute on function private.audit_leaves(text, bigint, bigint), private.merkle_range(text, bigint, bigint),
  private.merkle_path(text, bigint, bigint, boolean), private.audit_size(text, bigint),
  private.audit_position(public.immutable_tables, bigint) from public, anon, authenticated, service_role;
revoke execute on function public.audit_inclusion_proof(text, bigint, bigint), public.audit_consistency_proof(text, bigint, bigint)
  from public, anon, authenticated;
grant execute on function public.audit_inclusion_proof(text, bigint, bigint), public.audit_consistency_proof(text, bigint, bigint)
  to service_role;
