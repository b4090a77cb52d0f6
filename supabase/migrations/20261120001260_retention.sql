-- Retention: what is sealed, published and exported can be dropped, whole blocks from the oldest on. The blocks
-- themselves stay, so that the tree stays whole and what was exported can still be proved.

create index audit_log_dropped_idx on public.audit_log (resource, immutable_seq)
where subsystem = 'audit' and action = 'segment.dropped';
comment on index public.audit_log_dropped_idx is 'Up to where each immutable table was dropped, however many other entries are about it.';

create function private.dropped_seq(p_table text) returns bigint
language plpgsql stable set search_path = '' as $$
declare
  v_dropped bigint;
begin
  select (a.payload ->> 'last_seq')::bigint into v_dropped
  from public.audit_log a
  where a.resource = 'table:' || p_table and a.subsystem = 'audit' and a.action = 'segment.dropped'
  order by a.immutable_seq desc limit 1;
  return coalesce(v_dropped, 0);
end $$;
comment on function private.dropped_seq(text) is
  'Up to which number the rows of an immutable table were dropped, 0 when none were. The audit log says so, because nobody can change that unseen.';

create function private.export_audit_block(p_table text, p_number bigint) returns setof text
language plpgsql stable set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601'
set extra_float_digits = 1 set bytea_output = 'hex' set lc_monetary = 'C' as $$
declare
  v_table public.immutable_tables := private.immutable_table(p_table);
  v_class regclass := private.find_table(p_table);
  v_block public.audit_blocks;
  v_rows integer;
begin
  select b.* into v_block from public.audit_blocks b where b.table_name = v_table.name and b.number = p_number;
  if not found or v_block.last_seq <= private.dropped_seq(v_table.name) then
    raise exception using errcode = 'PT422', hint = 'audit.range_invalid',
      message = format('Table %s has no block %s whose rows are still there.', v_table.name, p_number);
  end if;
  return next json_build_object('type', 'block', 'number', v_block.number, 'first_seq', v_block.first_seq, 'last_seq', v_block.last_seq,
    'voids', (select coalesce(json_agg(json_build_array(lower(r), upper(r) - 1)), '[]') from unnest(v_block.voids) r),
    'first_position', v_block.first_position, 'rows', v_block.rows, 'size', v_block.size, 'root', encode(v_block.root, 'base64'),
    'columns', v_block.columns, 'sealed_at', to_char(v_block.sealed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'prev_hash', encode(v_block.prev_hash, 'base64'), 'row_hash', encode(v_block.row_hash, 'base64'))::text;
  return query execute format(
    'select json_build_object(''type'', ''row'', ''seq'', s.seq, ''position'', $1 + s.place, ''leaf'', l.leaf)::text
     from (select t, t.immutable_seq as seq, row_number() over (order by t.immutable_seq) - 1 as place from %s t where t.immutable_seq between $2 and $3) s
     cross join lateral (
       select c.leaf from (select (s.t).*) t cross join lateral (values %s) c (leaf)
       where sha256(''\x0001''::bytea || convert_to(c.leaf, ''UTF8'')) = substr($4, (s.place * 32 + 1)::integer, 32)
     ) l order by s.seq', v_class, private.leaf_candidates(v_class))
    using v_block.first_position, v_block.first_seq, v_block.last_seq, v_block.leaves;
  get diagnostics v_rows = row_count;
  if v_rows <> v_block.rows then
    raise exception using errcode = 'PT409', hint = 'audit.damaged',
      message = format('Block %s of %s is not what was sealed, so it is not exported. Run verify_audit_integrity(''%s'') to see what is damaged.', p_number, v_table.name, v_table.name);
  end if;
end $$;
comment on function private.export_audit_block(text, bigint) is
  'A block and its rows as lines of JSON (.github/AUDIT.md). Raises audit.range_invalid, and audit.damaged when a row is not the sealed one.';

create function private.drop_audit_segment(p_table text, p_last_block bigint, p_export_sha256 text, p_actor text default session_user) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_table public.immutable_tables := private.immutable_table(p_table);
  v_dropped_seq bigint;
  v_first_block bigint;
  v_last public.audit_blocks;
  v_rows bigint;
begin
  -- Nobody seals the table meanwhile. Who verifies it sees it as it was before, or as it is after.
  perform from public.immutable_tables t where t.name = v_table.name for update;
  v_dropped_seq := private.dropped_seq(v_table.name);
  select b.* into v_last from public.audit_blocks b where b.table_name = v_table.name and b.number = p_last_block;
  if not found or v_last.last_seq <= v_dropped_seq then
    raise exception using errcode = 'PT422', hint = 'audit.range_invalid',
      message = format('Table %s has no block %s whose rows are still there.', v_table.name, p_last_block);
  elsif coalesce(p_export_sha256, '') !~ '^[0-9a-f]{64}$' then
    raise exception using errcode = 'PT422', hint = 'audit.export_invalid',
      message = 'Name the export by its SHA-256, 64 hexadecimal digits, so that the log says where the rows went.';
  elsif not exists (
    select from public.audit_publications p
    where p.table_name = v_table.name and p.place = 'store' and p.published_at is not null and p.size >= v_last.size
  ) then
    raise exception using errcode = 'PT409', hint = 'audit.not_published',
      message = format('No checkpoint of %s with %s rows or more was published, so nothing outside could prove the rows. Publish one first.', v_table.name, v_last.size);
  end if;
  select min(b.number) into v_first_block from public.audit_blocks b where b.table_name = v_table.name and b.first_seq > v_dropped_seq;
  if not (public.verify_audit_integrity(v_table.name, v_first_block, p_last_block) ->> 'valid')::boolean then
    raise exception using errcode = 'PT409', hint = 'audit.damaged',
      message = format('The segment of %s is damaged, so it is not dropped: see verify_audit_integrity(''%s'', %s, %s).', v_table.name, v_table.name, v_first_block, p_last_block);
  end if;

  update public.immutable_tables t set dropping = pg_current_xact_id() where t.name = v_table.name;
  if v_table.name = 'audit_log' then
    perform private.count_subsystem_events();
    -- Which rows of other tables were dropped must stay known.
    insert into public.audit_log (subsystem, actor, action, resource, result, payload)
    select a.subsystem, p_actor, a.action, a.resource, a.result, a.payload
    from (
      select distinct on (a.resource) a.* from public.audit_log a
      where a.subsystem = 'audit' and a.action = 'segment.dropped' order by a.resource, a.immutable_seq desc
    ) a where a.immutable_seq <= v_last.last_seq;
  end if;
  execute format('delete from %s where immutable_seq <= $1', private.find_table(v_table.name)) using v_last.last_seq;
  get diagnostics v_rows = row_count;
  update public.immutable_tables t set dropping = null where t.name = v_table.name;
  perform private.audit('audit', p_actor, 'segment.dropped', 'table:' || v_table.name, 'dropped', jsonb_build_object(
    'first_block', v_first_block, 'last_block', p_last_block, 'first_seq', v_dropped_seq + 1, 'last_seq', v_last.last_seq, 'rows', v_rows,
    'root', encode(v_last.root, 'base64'), 'size', v_last.size, 'export_sha256', p_export_sha256));
  return v_rows;
end $$;
comment on function private.drop_audit_segment(text, bigint, text, text) is
  'Deletes the rows of the oldest blocks up to p_last_block, which must be sound, published and exported, and says so in the audit log; returns how many. Raises audit.range_invalid, audit.export_invalid, audit.not_published, audit.damaged.';

revoke execute on function private.dropped_seq(text), private.export_audit_block(text, bigint),
  private.drop_audit_segment(text, bigint, text, text) from public, anon, authenticated, service_role;
