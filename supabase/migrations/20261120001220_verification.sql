-- Verification of a whole table, or of some of its blocks, against the newest checkpoint. Everything here only reads, in
-- one snapshot: nobody waits for a verification, and it waits for nobody.

create function private.missing_blocks(p_before public.audit_blocks, p_after public.audit_blocks, p_number bigint) returns private.damage
language plpgsql immutable set search_path = '' as $$
begin
  return row('rewritten', p_before.last_seq + 1, p_after.first_seq - 1, p_after.first_position - p_before.size, p_number,
    format('Blocks are missing, from number %s to %s.', p_number, p_after.number - 1), p_before.size, p_after.first_position - 1, null, null)::private.damage;
end $$;
comment on function private.missing_blocks(public.audit_blocks, public.audit_blocks, bigint) is 'The finding that there are no blocks from p_number to the one before p_after.';

create function private.verify_blocks(
  p_table public.immutable_tables, p_class regclass, p_dropped_seq bigint, p_first bigint, p_last bigint,
  out damage private.damage[], out gaps bigint[], out rows bigint, out last_block bigint
) language plpgsql stable set search_path = '' as $$
declare
  v_before public.audit_blocks;
  v_block public.audit_blocks;
  v_found record;
  v_columns text[] := private.column_list(p_class);
begin
  damage := '{}'; gaps := '{}'; rows := 0; last_block := p_first - 1;
  select b.* into v_before from public.audit_blocks b where b.table_name = p_table.name and b.number = p_first - 1;
  if p_first = 1 then
    v_before.number := 0; v_before.last_seq := 0; v_before.size := 0; v_before.frontier := ''; v_before.row_hash := decode(repeat('00', 32), 'hex');
  elsif not private.frontier_fits(v_before.size, v_before.frontier) then
    v_before.frontier := null;
  end if;
  for v_block in
    select b.* from public.audit_blocks b where b.table_name = p_table.name and b.number between p_first and p_last order by b.number
  loop
    if v_block.number <> last_block + 1 then
      damage := private.merge_damage(damage, array[private.missing_blocks(v_before, v_block, last_block + 1)]);
      -- Nothing is known of what it goes on from, and that was said.
      v_before.last_seq := v_block.first_seq - 1; v_before.size := v_block.first_position; v_before.frontier := null; v_before.row_hash := v_block.prev_hash;
    end if;
    v_found := private.verify_block(p_class, v_columns, p_dropped_seq, v_before, v_block);
    damage := private.merge_damage(damage, v_found.damage);
    gaps := (gaps || array(select s from unnest(v_found.damage) d cross join lateral unnest(d.seqs) s where d.kind = 'deleted'))[1:1000];
    rows := rows + case when v_block.last_seq > p_dropped_seq then v_block.rows else 0 end;
    last_block := v_block.number;
    v_before := v_block;
    v_before.frontier := case when private.frontier_fits(v_block.size, v_found.frontier) then v_found.frontier end;
    exit when cardinality(damage) >= 1000;
  end loop;
  if last_block < p_last and cardinality(damage) < 1000 then
    select b.* into v_block from public.audit_blocks b where b.table_name = p_table.name and b.number > p_last order by b.number limit 1;
    damage := private.merge_damage(damage, array[private.missing_blocks(v_before, v_block, last_block + 1)]);
  end if;
end $$;
comment on function private.verify_blocks(public.immutable_tables, regclass, bigint, bigint, bigint) is
  'Verifies blocks one after the other, until 1,000 findings: what is damaged, the first 1,000 numbers whose rows are missing, the rows it compared, the last block it came to.';

create function private.verify_unsealed(p_table regclass, p_sealed_seq bigint, out damage private.damage[], out rows bigint)
language plpgsql stable set search_path = '' as $$
declare
  v_edited bigint[];
  v_seq bigint;
begin
  damage := '{}';
  execute format(
    'select count(*), (array_agg(s.seq order by s.seq) filter (where s.edited))[1:1000] from (
       select t.immutable_seq as seq, t.leaf_hash is distinct from sha256(''\x0001''::bytea || convert_to(%s, ''UTF8'')) and not exists (
         select from (values %s) c (leaf) where t.leaf_hash = sha256(''\x0001''::bytea || convert_to(c.leaf, ''UTF8''))) as edited
       from %s t where t.immutable_seq > $1) s', private.leaf_expression(p_table), private.leaf_candidates(p_table), p_table)
    into rows, v_edited using p_sealed_seq;
  foreach v_seq in array coalesce(v_edited, '{}') loop
    damage := private.merge_damage(damage, array[row('edited', v_seq, v_seq, 1, null, 'The row, not sealed yet, is not the one that leaf_hash was made of.', null, null, null, null)::private.damage]);
  end loop;
  execute format('select array_agg(s.seq) from (select coalesce(t.immutable_seq, 0) as seq from %s t where t.immutable_seq < 1 or t.immutable_seq is null limit 1000) s', p_table)
    into v_edited;
  foreach v_seq in array coalesce(v_edited, '{}') loop
    damage := array[row('inserted_later', v_seq, v_seq, 1, null, 'The sequence gives no such number.', null, null, null, null)::private.damage] || damage;
  end loop;
end $$;
comment on function private.verify_unsealed(regclass, bigint) is
  'Finds rows above p_sealed_seq whose leaf_hash is not their own, and rows with numbers that no block can hold; and how many rows it looked at.';

create function private.root_at(p_table text, p_size bigint) returns bytea
language plpgsql stable set search_path = '' as $$
declare
  v_before public.audit_blocks;
  v_block public.audit_blocks;
begin
  select b.* into v_before from public.audit_blocks b where b.table_name = p_table and b.size < p_size order by b.number desc limit 1;
  select b.* into v_block from public.audit_blocks b where b.table_name = p_table and b.number = coalesce(v_before.number, 0) + 1;
  if p_size = 0 then
    return sha256('');
  elsif v_block.size = p_size then
    return v_block.root;
  elsif private.frontier_fits(coalesce(v_before.size, 0), coalesce(v_before.frontier, '')) then
    return private.merkle_fold((private.merkle_append(coalesce(v_before.size, 0), coalesce(v_before.frontier, ''),
      substr(v_block.leaves, 1, (p_size - coalesce(v_before.size, 0))::integer * 32))).frontier);
  end if;
  return null;
end $$;
comment on function private.root_at(text, bigint) is 'Root of the first p_size sealed rows of a table, from its blocks; quick for sizes near its end.';

create function private.end_damage(
  p_table public.immutable_tables, p_class regclass, p_dropped_seq bigint, p_head public.audit_blocks, p_size bigint, p_root bytea
) returns private.damage[]
language plpgsql stable set search_path = '' as $$
declare
  v_damage private.damage[] := array[]::private.damage[];
  v_size bigint := coalesce(p_head.size, 0);
  v_last_seq bigint := coalesce(p_head.last_seq, 0);
  v_kept bigint := v_size - coalesce((select b.size from public.audit_blocks b where b.table_name = p_table.name and b.last_seq = p_dropped_seq), 0);
begin
  if p_class is null then
    v_damage := array[row('tail_cut', p_dropped_seq + 1, greatest(v_last_seq, p_table.sealed_seq), v_kept, null, 'There is no such table any more, or it has lost immutable_seq or leaf_hash.', null, null, null, null)::private.damage];
  elsif p_size > v_size or p_table.sealed_seq > v_last_seq then
    v_damage := array[row('tail_cut', v_last_seq + 1, greatest(p_table.sealed_seq, v_last_seq + p_size - v_size), greatest(p_size - v_size, 0), null,
      format('%s rows are sealed, up to number %s; a checkpoint says %s, and immutable_tables says number %s.', v_size, v_last_seq, coalesce(p_size::text, 'nothing'), p_table.sealed_seq),
      v_size, null, null, null)::private.damage];
  elsif p_table.sealed_seq < v_last_seq then
    v_damage := array[row('rewritten', p_table.sealed_seq + 1, v_last_seq, 0, null, 'sealed_seq of immutable_tables is not the end of the last block.', null, null, null, null)::private.damage];
  end if;
  if p_size <= v_size and p_root is distinct from private.root_at(p_table.name, p_size) then
    v_damage := v_damage || row('rewritten', 1, (select min(b.last_seq) from public.audit_blocks b where b.table_name = p_table.name and b.size >= p_size), p_size, null,
      format('The checkpoint of %s rows has another root: these rows and their blocks were made anew.', p_size), null, null, null, null)::private.damage;
  end if;
  return v_damage;
end $$;
comment on function private.end_damage(public.immutable_tables, regclass, bigint, public.audit_blocks, bigint, bytea) is
  'What a table lacks at its end, or has changed since, compared with a checkpoint and with how far it was sealed.';

create function private.unguarded(p_table regclass) returns text[]
language sql stable set search_path = '' as $$
  select coalesce(array_agg(format('%s on %s', e.name, e.relation) order by e.relation, e.name), '{}')
  from (values
    (p_table, 'zz_immutable_leaf', 'private.record_row()', 7), (p_table, 'immutable_guard', 'private.refuse_change()', 58),
    (p_table, 'immutable_guard_of_rows', 'private.refuse_change()', 27), ('public.audit_blocks', 'audit_blocks_guard', 'private.refuse_change()', 58),
    ('public.audit_nodes', 'audit_nodes_guard', 'private.refuse_change()', 58)
  ) e (relation, name, call, events)
  where not exists (
    select from pg_catalog.pg_trigger t
    where t.tgrelid = e.relation and t.tgname = e.name and t.tgfoid = e.call::regprocedure and t.tgtype = e.events
      and t.tgenabled = 'A' and t.tgqual is null
  );
$$;
comment on function private.unguarded(regclass) is 'The triggers that should guard a table and its blocks, and are missing, disabled or others. tgtype: 7 is before insert for each row, 27 before update or delete for each row, 58 before update, delete or truncate.';

create function private.damage_report(p_damage private.damage[]) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  v_report jsonb;
begin
  select coalesce(jsonb_agg(jsonb_build_object('kind', d.kind, 'firstSeq', d.first_seq, 'lastSeq', d.last_seq, 'rows', d.rows, 'block', d.block, 'detail', d.detail)
    order by d.place), '[]') into v_report
  from unnest(p_damage) with ordinality d (kind, first_seq, last_seq, rows, block, detail, first_position, last_position, seqs, leaves, place)
  where d.place <= 100;
  if cardinality(p_damage) > 100 then
    select v_report || jsonb_build_object('kind', min(d.kind), 'firstSeq', min(d.first_seq), 'lastSeq', max(d.last_seq), 'rows', sum(d.rows), 'block', min(d.block),
      'detail', format('%s findings more%s.', count(*), case when cardinality(p_damage) >= 1000 then ', and perhaps others: verification ended here' else '' end)) into v_report
    from unnest(p_damage[101:]) d;
  end if;
  return v_report;
end $$;
comment on function private.damage_report(private.damage[]) is 'Findings as people and programs see them: at most 100, and one entry for all others.';

-- The settings are the leaf hash trigger's: with them a row has the text that was hashed.
create function public.verify_audit_integrity(
  p_table text, p_first_block bigint default null, p_last_block bigint default null, p_checkpoint jsonb default null
) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601'
set extra_float_digits = 1 set bytea_output = 'hex' set lc_monetary = 'C' as $$
declare
  v_table public.immutable_tables := private.immutable_table(p_table);
  v_class regclass := private.find_table(v_table.name);
  v_dropped_seq bigint := private.dropped_seq(v_table.name);
  v_head public.audit_blocks;
  v_size bigint;
  v_root bytea;
  v_found record;
  v_unsealed record;
  v_damage private.damage[];
  v_last_seq bigint;
begin
  select b.* into v_head from public.audit_blocks b where b.table_name = v_table.name order by b.number desc limit 1;
  perform private.check_block_range(v_table.name, coalesce(v_head.number, 0), p_first_block, p_last_block);
  select c.size, c.root into v_size, v_root from private.checkpoint_to_meet(v_table.name, p_checkpoint) c;
  if (select count(*) from pg_catalog.pg_attribute a where a.attrelid = v_class and a.attname in ('immutable_seq', 'leaf_hash')) < 2 then
    v_class := null;
  end if;

  v_found := private.verify_blocks(v_table, v_class, v_dropped_seq, coalesce(p_first_block, 1), coalesce(p_last_block, v_head.number, 0));
  v_damage := v_found.damage;
  if v_class is not null and exists (select from unnest(v_damage) d where d.kind = 'edited' and d.seqs is not null) then
    v_damage := private.name_reordered(v_class, v_damage);
  end if;
  v_damage := array(
    select row(case when d.kind = 'deleted' and d.last_position = v_head.size - 1 then 'tail_cut' else d.kind end, d.first_seq, d.last_seq, d.rows,
      d.block, d.detail, d.first_position, d.last_position, d.seqs, d.leaves)::private.damage
    from unnest(v_damage) with ordinality d (kind, first_seq, last_seq, rows, block, detail, first_position, last_position, seqs, leaves, place) order by d.place);
  if p_last_block is null and v_class is not null then
    v_unsealed := private.verify_unsealed(v_class, coalesce(v_head.last_seq, 0));
    v_damage := v_damage || v_unsealed.damage;
    v_found.rows := v_found.rows + v_unsealed.rows;
  end if;
  v_damage := private.end_damage(v_table, v_class, v_dropped_seq, v_head, v_size, v_root) || v_damage;
  if v_class is not null then
    execute format('select max(t.immutable_seq) from %s t', v_class) into v_last_seq;
  end if;
  return jsonb_build_object('valid', v_damage = '{}', 'gaps', to_jsonb(v_found.gaps), 'lastSeq', coalesce(v_last_seq, 0), 'table', v_table.name,
    'rows', v_found.rows, 'size', coalesce(v_head.size, 0), 'firstBlock', coalesce(p_first_block, 1), 'lastBlock', v_found.last_block,
    'damage', private.damage_report(v_damage), 'unguarded', to_jsonb(private.unguarded(v_class)));
end $$;
comment on function public.verify_audit_integrity(text, bigint, bigint, jsonb) is
  'Verifies an immutable table, or some of its blocks, and compares it with a checkpoint {size, root in base64}, by default the newest that was published: {valid, gaps, lastSeq, table, rows, size, firstBlock, lastBlock, damage: [{kind edited|deleted|inserted_later|reordered|tail_cut|rewritten, firstSeq, lastSeq, rows, block, detail}], unguarded: [triggers that are off]}. Without p_last_block up to the newest row. Raises audit.table_unknown, audit.not_immutable, audit.range_invalid, audit.checkpoint_invalid.';

create function private.check_block_range(p_table text, p_head bigint, p_first bigint, p_last bigint) returns void
language plpgsql immutable set search_path = '' as $$
begin
  -- One beyond the last block is what is not sealed yet.
  if (coalesce(p_first, 1) between 1 and case when p_last is null then p_head + 1 else p_last end and coalesce(p_last, p_head) <= p_head) is not true then
    raise exception using errcode = 'PT422', hint = 'audit.range_invalid',
      message = format('Table %s has the blocks 1 to %s, so there are no blocks %s to %s. Ask for some of those.', p_table, p_head, coalesce(p_first, 1), coalesce(p_last, p_head));
  end if;
end $$;
comment on function private.check_block_range(text, bigint, bigint, bigint) is 'Raises audit.range_invalid unless a table has these blocks.';

create function private.checkpoint_to_meet(p_table text, p_checkpoint jsonb, out size bigint, out root bytea)
language plpgsql stable set search_path = '' as $$
begin
  if p_checkpoint is null then
    select p.size, p.root into size, root from public.audit_publications p
    where p.table_name = p_table and p.place = 'store' and p.published_at is not null order by p.size desc limit 1;
  elsif coalesce(p_checkpoint ->> 'size', '') !~ '^\d{1,18}$' then
    raise exception using errcode = 'PT422', hint = 'audit.checkpoint_invalid', message = 'A checkpoint is {"size": how many rows, "root": 32 bytes in base64}; this one has no such size.';
  else
    size := (p_checkpoint ->> 'size')::bigint;
    root := private.checkpoint_root(p_checkpoint ->> 'root');
  end if;
end $$;
comment on function private.checkpoint_to_meet(text, jsonb) is
  'Size and root of the checkpoint given, or of the newest one in the store; null when there is none. Raises audit.checkpoint_invalid.';

create function public.audit_ranges(p_table text, p_rows integer default 250000) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_name text := (private.immutable_table(p_table)).name;
begin
  if (p_rows > 0) is not true then
    raise exception using errcode = 'PT422', hint = 'audit.range_invalid', message = 'A range has one row or more.';
  end if;
  return coalesce((
    select jsonb_agg(jsonb_build_object('first_block', r.first_block, 'last_block', r.last_block, 'rows', r.rows) order by r.first_block)
    from (
      select min(b.number) as first_block, nullif(max(b.number), (select max(h.number) from public.audit_blocks h where h.table_name = v_name)) as last_block, sum(b.rows) as rows
      from public.audit_blocks b where b.table_name = v_name group by b.first_position / p_rows
    ) r), jsonb_build_array(jsonb_build_object('first_block', 1, 'last_block', null, 'rows', 0)));
end $$;
comment on function public.audit_ranges(text, integer) is
  'Cuts a table''s blocks into ranges of about p_rows rows, to be verified by several connections at once: [{first_block, last_block, rows}]; the last one''s last_block is null, for whatever comes after it. Raises audit.table_unknown, audit.not_immutable, audit.range_invalid.';

revoke execute on function private.missing_blocks(public.audit_blocks, public.audit_blocks, bigint),
  private.verify_blocks(public.immutable_tables, regclass, bigint, bigint, bigint), private.verify_unsealed(regclass, bigint),
  private.root_at(text, bigint), private.end_damage(public.immutable_tables, regclass, bigint, public.audit_blocks, bigint, bytea),
  private.unguarded(regclass), private.damage_report(private.damage[]), private.check_block_range(text, bigint, bigint, bigint),
  private.checkpoint_to_meet(text, jsonb)
  from public, anon, authenticated, service_role;
revoke execute on function public.verify_audit_integrity(text, bigint, bigint, jsonb), public.audit_ranges(text, integer) from public, anon, authenticated;
grant execute on function public.verify_audit_integrity(text, bigint, bigint, jsonb), public.audit_ranges(text, integer) to service_role;
