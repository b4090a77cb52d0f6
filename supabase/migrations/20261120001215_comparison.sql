-- Comparison: is a block what it was, and are its rows those that it sealed? One pass over the rows says yes or no; only
-- where the answer is no are they compared one by one, to name what was done to them.

create type private.damage as (
  kind text, first_seq bigint, last_seq bigint, rows bigint, block bigint, detail text,
  first_position bigint, last_position bigint, seqs bigint[], leaves bytea
);
comment on type private.damage is
  'Rows damaged in the same way that follow each other: where they stand in the tree (null when they were never sealed), their first 1,000 numbers, and the leaf hashes of the first 256.';

create function private.merge_damage(p_damage private.damage[], p_more private.damage[]) returns private.damage[]
language plpgsql immutable set search_path = '' as $$
declare
  v_last private.damage;
  v_next private.damage;
begin
  foreach v_next in array coalesce(p_more, '{}') loop
    v_last := p_damage[cardinality(p_damage)];
    if (v_last.kind, v_last.detail) = (v_next.kind, v_next.detail)
      and (case when v_next.first_position is null then v_next.first_seq = v_last.last_seq + 1 else v_next.first_position = v_last.last_position + 1 end)
    then
      v_last.last_seq := v_next.last_seq;
      v_last.last_position := v_next.last_position;
      v_last.rows := v_last.rows + v_next.rows;
      v_last.seqs := (v_last.seqs || v_next.seqs)[1:1000];
      v_last.leaves := substr(v_last.leaves || v_next.leaves, 1, 8192);
      p_damage[cardinality(p_damage)] := v_last;
    else
      p_damage := p_damage || v_next;
    end if;
  end loop;
  return p_damage;
end $$;
comment on function private.merge_damage(private.damage[], private.damage[]) is
  'Appends findings, in the order of their numbers; one that goes on where the last one ended becomes part of it.';

create function private.frontier_fits(p_size bigint, p_frontier bytea) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce(p_size >= 0 and octet_length(p_frontier) = 32 * bit_count(p_size::bit(64)), false);
end $$;
comment on function private.frontier_fits(bigint, bytea) is 'Whether a frontier has a root for each perfect subtree of a tree of this size.';

create function private.block_is_readable(p_block public.audit_blocks) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce(p_block.last_seq - p_block.first_seq between 0 and 65535 and p_block.rows >= 0
    and octet_length(p_block.leaves) = 32 * p_block.rows
    and p_block.size = p_block.first_position + p_block.rows and private.frontier_fits(p_block.size, p_block.frontier)
    and p_block.voids <@ int8range(p_block.first_seq, p_block.last_seq, '[]')
    and p_block.last_seq - p_block.first_seq + 1 - p_block.rows = (select coalesce(sum(upper(v) - lower(v)), 0) from unnest(p_block.voids) v), false);
end $$;
comment on function private.block_is_readable(public.audit_blocks) is
  'Whether a block accounts for each of its numbers, so that it can be said which leaf hash belongs to which.';

create function private.block_problem(p_before public.audit_blocks, p_block public.audit_blocks) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case
    when (p_block.row_hash = private.block_hash(p_block)) is not true then 'The block''s row_hash is not that of what the block says.'
    -- A block whose own hash is wrong was reported; the next one is not damaged by that.
    when (p_block.prev_hash in (p_before.row_hash, private.block_hash(p_before))) is not true then 'The block''s prev_hash is not the hash of the block before it.'
    when (p_block.first_seq = p_before.last_seq + 1 and p_block.first_position = p_before.size) is not true
      then 'The block does not begin where the block before it ends.'
  end;
end $$;
comment on function private.block_problem(public.audit_blocks, public.audit_blocks) is
  'What is wrong with a block''s place in the chain, null when nothing is.';

create function private.tree_problem(p_block public.audit_blocks, p_frontier bytea, p_levels bytea[]) returns text
language plpgsql stable set search_path = '' as $$
begin
  if p_block.frontier <> p_frontier or (p_block.root = private.merkle_fold(p_block.frontier)) is not true then
    return 'The block''s root or frontier is not that of its leaves and the tree before it.';
  elsif exists (
    select from generate_series(10, cardinality(p_levels)) l cross join generate_series(0, octet_length(p_levels[l]) / 32 - 1) i
    left join public.audit_nodes n on (n.table_name, n.level, n.index) = (p_block.table_name, l, (p_block.first_position >> l) + i)
    where n.hash is distinct from substr(p_levels[l], i * 32 + 1, 32)
  ) then
    return 'The nodes that proofs are made of (audit_nodes) are not those of the tree.';
  end if;
  return null;
end $$;
comment on function private.tree_problem(public.audit_blocks, bytea, bytea[]) is
  'What is wrong with a block''s tree, given what merkle_append makes of its leaves; null when nothing is.';

create function private.row_leaves(p_table regclass, p_block public.audit_blocks, out leaves bytea, out sound boolean)
language plpgsql stable set search_path = '' as $$
begin
  execute format(
    'select coalesce(string_agg(s.leaf, ''''), ''''), coalesce(bool_and(s.leaf_hash is not distinct from s.leaf), true) from (
       select t.leaf_hash, sha256(''\x0001''::bytea || convert_to(%s, ''UTF8'')) as leaf
       from %s t where t.immutable_seq between $1 and $2 order by t.immutable_seq
     ) s', private.leaf_expression(p_table, cardinality(p_block.columns)), p_table)
    into leaves, sound using p_block.first_seq, p_block.last_seq;
end $$;
comment on function private.row_leaves(regclass, public.audit_blocks) is
  'Leaf hashes of the rows that a block''s numbers have now, concatenated, and whether each row''s leaf_hash is its own.';

create function private.row_damage(p_table regclass, p_block public.audit_blocks, p_leaves bytea) returns private.damage[]
language plpgsql stable set search_path = '' as $$
declare
  v_damage private.damage[];
begin
  execute format(
    'with sealed as (
       select s.seq, s.place - 1 + $5 as position, substr($4, (s.place * 32 - 31)::integer, 32) as leaf
       from (select n as seq, row_number() over (order by n) as place from generate_series($1, $2) n where not n <@ $3) s
     ), present as (
       select t.immutable_seq as seq, t.leaf_hash, array(select sha256(''\x0001''::bytea || convert_to(c.leaf, ''UTF8'')) from (values %s) c (leaf)) as leaves
       from %s t where t.immutable_seq between $1 and $2
     ), compared as (
       select seq, s.position, s.leaf, p.seq is null as missing, s.leaf = any (p.leaves) as same, p.leaf_hash is not distinct from s.leaf as hash_same,
         row_number() over (partition by seq order by s.leaf = any (p.leaves) desc, p.leaf_hash = s.leaf desc) as copy
       from sealed s full join present p using (seq)
     ), named as (
       select c.*, case when c.missing then ''deleted'' when c.position is null or c.copy > 1 then ''inserted_later'' else ''edited'' end as kind,
         case when c.missing then ''Sealed rows are missing.''
           when c.position is null then ''No row belongs under this number: none was sealed, or it was dropped.''
           when c.copy > 1 then ''Another row has the number.''
           when c.same then ''leaf_hash was changed, the rest is as it was sealed.''
           else ''The row is not what was sealed.'' end as detail
       from compared c where (c.position is not null and c.same and c.hash_same and c.copy = 1) is not true
     ), grouped as (
       select n.*, coalesce(n.position, n.seq) - row_number() over (partition by n.kind, n.detail order by n.seq, n.copy) as place from named n
     ), ranges as (
       select row(g.kind, min(g.seq), max(g.seq), count(*), $6, g.detail, min(g.position), max(g.position),
         (array_agg(g.seq order by g.seq))[1:1000], substr(coalesce(string_agg(g.leaf, '''' order by g.seq), ''''), 1, 8192))::private.damage as range, min(g.seq) as seq
       from grouped g group by g.kind, g.detail, g.place order by min(g.seq) limit 1000
     )
     select array_agg(r.range order by r.seq) from ranges r', private.leaf_candidates(p_table), p_table)
    into v_damage using p_block.first_seq, p_block.last_seq, p_block.voids, p_leaves, p_block.first_position, p_block.number;
  return v_damage;
end $$;
comment on function private.row_damage(regclass, public.audit_blocks, bytea) is
  'What is wrong with the rows of a block, row by row: the slow way, for blocks that row_leaves() found different.';

create function private.has_rows(p_table regclass, p_numbers int8multirange) returns boolean
language plpgsql stable set search_path = '' as $$
declare
  v_found boolean := false;
begin
  if not isempty(p_numbers) then
    execute format('select exists (select from unnest($1) n join %s t on t.immutable_seq >= lower(n) and t.immutable_seq < upper(n))', p_table)
      into v_found using p_numbers;
  end if;
  return v_found;
end $$;
comment on function private.has_rows(regclass, int8multirange) is 'Whether any of these numbers is a row''s.';

create function private.verify_block(
  p_table regclass, p_columns text[], p_dropped_seq bigint, p_before public.audit_blocks, p_block public.audit_blocks,
  out frontier bytea, out damage private.damage[]
) language plpgsql stable set search_path = '' as $$
declare
  v_leaves bytea := p_block.leaves || ''::bytea; -- Read once, not once for each leaf.
  v_tree record;
  v_rows record;
  v_problem text := private.block_problem(p_before, p_block);
  v_renamed boolean := p_block.columns is distinct from p_columns[1:cardinality(p_block.columns)];
begin
  if not private.block_is_readable(p_block) then
    damage := array[row('rewritten', p_block.first_seq, p_block.last_seq, p_block.rows, p_block.number,
      coalesce(v_problem, 'The block does not account for all of its numbers.'), p_block.first_position, p_block.size - 1, null, null)::private.damage];
    return;
  end if;
  frontier := p_block.frontier;
  if p_before.frontier is not null then
    v_tree := private.merkle_append(p_before.size, p_before.frontier, v_leaves);
    v_problem := coalesce(v_problem, private.tree_problem(p_block, v_tree.frontier, v_tree.levels));
    if private.merkle_fold(v_tree.frontier) = p_block.root then
      frontier := v_tree.frontier;
    end if;
  end if;

  if p_table is not null and p_block.last_seq <= p_dropped_seq then
    p_block.voids := int8multirange(int8range(p_block.first_seq, p_block.last_seq, '[]'));
    if private.has_rows(p_table, p_block.voids) then
      damage := private.row_damage(p_table, p_block, '');
    end if;
  elsif p_table is not null then
    v_rows := private.row_leaves(p_table, p_block);
    if v_rows.leaves <> v_leaves and v_problem is not null and p_before.frontier is not null
      and (private.merkle_append(p_before.size, p_before.frontier, v_rows.leaves)).frontier = p_block.frontier then
      -- The rows are those of the root, so what was touched is the block's list of leaves.
      v_leaves := v_rows.leaves;
    end if;
    if v_rows.leaves <> v_leaves or not v_rows.sound then
      damage := private.row_damage(p_table, p_block, v_leaves);
    elsif private.has_rows(p_table, p_block.voids) then
      v_problem := coalesce(v_problem, 'The block calls numbers void that rows have.');
    end if;
  end if;
  if v_problem is not null then
    damage := row('rewritten', p_block.first_seq, p_block.last_seq, p_block.rows, p_block.number, v_problem,
      p_block.first_position, p_block.size - 1, null, null)::private.damage || damage;
  elsif v_renamed and p_table is not null and p_block.last_seq > p_dropped_seq then
    damage := row('edited', p_block.first_seq, p_block.last_seq, p_block.rows, p_block.number,
      format('The columns that were sealed (%s) were dropped, renamed, or given another type.', array_to_string(array(select unnest(p_block.columns) except select unnest(p_columns)), ', ')),
      p_block.first_position, p_block.size - 1, null, null)::private.damage || array(select d from unnest(damage) d where d.kind <> 'edited');
  end if;
end $$;
comment on function private.verify_block(regclass, text[], bigint, public.audit_blocks, public.audit_blocks) is
  'What is wrong with a block and its rows, given the block before it; and the frontier that the next block must go on from.';

create function private.name_reordered(p_table regclass, p_damage private.damage[]) returns private.damage[]
language plpgsql stable set search_path = '' as $$
declare
  v_moved bigint[];
  v_item private.damage;
  v_named private.damage[] := array[]::private.damage[];
  v_columns text;
begin
  select string_agg(case a.attname when 'immutable_seq' then 'o.seq as immutable_seq' else format('r.%I', a.attname) end, ', ') into v_columns
  from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped;
  execute format(
    'with damaged as materialized (
       select d.kind, s.seq, substr(d.leaves, (s.place * 32 - 31)::integer, 32) as leaf
       from unnest($1) d cross join lateral unnest(d.seqs) with ordinality s (seq, place)
       where d.kind in (''edited'', ''deleted'') order by d.kind desc, s.seq limit 256
     )
     select array_agg(distinct r.immutable_seq) from damaged e join %s r on r.immutable_seq = e.seq join damaged o on o.seq <> e.seq
     where e.kind = ''edited'' and exists (
       select from (select %s) t cross join lateral (values %s) c (leaf) where sha256(''\x0001''::bytea || convert_to(c.leaf, ''UTF8'')) = o.leaf
     )', p_table, v_columns, private.leaf_candidates(p_table))
    into v_moved using p_damage;
  foreach v_item in array p_damage loop
    if v_item.kind = 'edited' and v_item.seqs && v_moved then
      -- One by one, and then what is left of them.
      for i in 1..cardinality(v_item.seqs) loop
        v_named := private.merge_damage(v_named, array[row(
          case when v_item.seqs[i] = any (v_moved) then 'reordered' else 'edited' end, v_item.seqs[i], v_item.seqs[i], 1, v_item.block,
          case when v_item.seqs[i] = any (v_moved) then 'The row was sealed under another number.' else v_item.detail end,
          v_item.first_position + i - 1, v_item.first_position + i - 1, array[v_item.seqs[i]], '')::private.damage]);
      end loop;
      v_item.rows := v_item.rows - cardinality(v_item.seqs);
      v_item.first_seq := v_item.seqs[cardinality(v_item.seqs)] + 1;
      v_item.first_position := v_item.last_position - v_item.rows + 1;
    end if;
    if v_item.rows > 0 then
      v_named := private.merge_damage(v_named, array[v_item]);
    end if;
  end loop;
  return v_named;
end $$;
comment on function private.name_reordered(regclass, private.damage[]) is
  'Calls edited rows reordered whose content was sealed under the number of another damaged row; compares the first 256 rows with each other.';

revoke execute on function private.merge_damage(private.damage[], private.damage[]), private.frontier_fits(bigint, bytea),
  private.block_is_readable(public.audit_blocks), private.block_problem(public.audit_blocks, public.audit_blocks),
  private.tree_problem(public.audit_blocks, bytea, bytea[]), private.row_leaves(regclass, public.audit_blocks),
  private.row_damage(regclass, public.audit_blocks, bytea), private.has_rows(regclass, int8multirange),
  private.verify_block(regclass, text[], bigint, public.audit_blocks, public.audit_blocks), private.name_reordered(regclass, private.damage[])
  from public, anon, authenticated, service_role;
