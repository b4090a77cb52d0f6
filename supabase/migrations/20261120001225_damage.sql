-- Verification as a routine: every 15 minutes what is new, and a part of what is old; people hear of damage, and of its end.

create table public.audit_verifications (
  table_name text primary key references public.immutable_tables (name),
  verified_block bigint not null default 0,
  recheck_block bigint not null default 0,
  verified_at timestamptz
);
comment on table public.audit_verifications is 'How far each immutable table was verified.';
comment on column public.audit_verifications.table_name is 'The immutable table.';
comment on column public.audit_verifications.verified_block is 'The blocks up to this one were verified once.';
comment on column public.audit_verifications.recheck_block is 'The last block that was verified again; after the last of all it begins with the first.';
comment on column public.audit_verifications.verified_at is 'When a verification last came to its end.';

create table public.audit_damage (
  id bigint generated always as identity primary key,
  table_name text not null references public.immutable_tables (name),
  kind text not null,
  first_seq bigint,
  last_seq bigint,
  rows bigint,
  block bigint,
  detail text not null,
  found_at timestamptz not null default now(),
  over_at timestamptz,
  constraint audit_damage_kind_is_known check (kind in
    ('edited', 'deleted', 'inserted_later', 'reordered', 'tail_cut', 'rewritten', 'unguarded', 'unverified'))
);
comment on table public.audit_damage is 'What verification found, one entry for each kind and range of numbers.';
comment on column public.audit_damage.id is 'Order of discovery.';
comment on column public.audit_damage.table_name is 'The immutable table.';
comment on column public.audit_damage.kind is 'What was done; unguarded: its triggers are off; unverified: it could not be verified.';
comment on column public.audit_damage.first_seq is 'First number concerned, null when none is.';
comment on column public.audit_damage.last_seq is 'Last number concerned.';
comment on column public.audit_damage.rows is 'How many rows are concerned.';
comment on column public.audit_damage.block is 'First block concerned; null for what every verification looks at: the end of the table, and its checkpoint.';
comment on column public.audit_damage.detail is 'What was found, in words.';
comment on column public.audit_damage.found_at is 'When it was found.';
comment on column public.audit_damage.over_at is 'When a verification of the same rows found no damage any more.';

create index audit_damage_table_idx on public.audit_damage (table_name, id);
comment on index public.audit_damage_table_idx is 'The damage of a table; for the foreign key.';

alter table public.audit_verifications enable row level security;
alter table public.audit_damage enable row level security;
revoke all on public.audit_verifications, public.audit_damage from public, anon, authenticated, service_role;
revoke all on sequence public.audit_damage_id_seq from public, anon, authenticated, service_role;
grant select on public.audit_verifications, public.audit_damage to service_role;

insert into public.settings (name, value, description) values
  ('audit_verify_rows', '5000000', 'Most new rows of an immutable table that one routine verification reads; a block counts as 100 rows at least.'),
  ('audit_recheck_rows', '250000', 'How many old rows of an immutable table a routine verification reads again, in turn; a block counts as 100 rows at least.');

create function private.numbers(p_first bigint, p_last bigint) returns numrange
language plpgsql immutable set search_path = '' as $$
begin
  return numrange(least(coalesce(p_first, 0), p_last), greatest(coalesce(p_first, 0), p_last), '[]');
end $$;
comment on function private.numbers(bigint, bigint) is 'The range of numbers that a finding concerns.';

create function private.tell_damage(p_kind text, p_table text, p_ids bigint[], p_more text) returns void
language plpgsql set search_path = '' as $$
declare
  v_first public.audit_damage;
  v_facts jsonb;
begin
  select d.* into v_first from public.audit_damage d where d.id = any (p_ids) order by d.first_seq, d.id limit 1;
  if found then
    v_facts := jsonb_build_object('table_name', p_table, 'kind', v_first.kind, 'first_seq', case when v_first.first_seq > 0 then v_first.first_seq end, 'last_seq', case when v_first.last_seq > 0 then v_first.last_seq end,
      'rows', v_first.rows, 'detail', concat_ws(' ', v_first.detail, p_more));
    perform private.audit('audit', 'system', case p_kind when 'damage' then 'damage.found' else 'damage.over' end, 'table:' || p_table, v_first.kind, v_facts || jsonb_build_object('damage', p_ids));
    perform private.tell(p_kind, format('%s:%s', p_kind, v_first.id), v_facts);
  end if;
end $$;
comment on function private.tell_damage(text, text, bigint[], text) is 'Records, and tells people in one message, which damage of a table was found or is over.';

create function private.open_damage(p_table text, p_found jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  v_ids bigint[];
begin
  update public.audit_damage o
  set first_seq = least(o.first_seq, f.first_seq), last_seq = greatest(o.last_seq, f.last_seq), rows = greatest(o.rows, f.rows), detail = f.detail
  from (
    select d.kind, min(d."firstSeq") as first_seq, max(d."lastSeq") as last_seq, sum(d.rows) as rows, min(d.detail) as detail, o.id
    from jsonb_to_recordset(p_found) d (kind text, "firstSeq" bigint, "lastSeq" bigint, rows bigint, detail text)
    join public.audit_damage o on o.table_name = p_table and o.over_at is null and o.kind = d.kind
      and private.numbers(o.first_seq, o.last_seq) && private.numbers(d."firstSeq", d."lastSeq")
    group by o.id, d.kind
  ) f where f.id = o.id;
  with opened as (
    insert into public.audit_damage (table_name, kind, first_seq, last_seq, rows, block, detail)
    select p_table, d.kind, d."firstSeq", d."lastSeq", d.rows, d.block, d.detail
    from jsonb_to_recordset(p_found) d (kind text, "firstSeq" bigint, "lastSeq" bigint, rows bigint, block bigint, detail text)
    where not exists (
      select from public.audit_damage o where o.table_name = p_table and o.over_at is null and o.kind = d.kind
        and private.numbers(o.first_seq, o.last_seq) && private.numbers(d."firstSeq", d."lastSeq"))
    order by d."firstSeq"
    returning id
  )
  select array_agg(id order by id) into v_ids from opened;
  perform private.tell_damage('damage', p_table, v_ids,
    case when cardinality(v_ids) > 1 then format('%s findings more: see audit_damage.', cardinality(v_ids) - 1) end);
end $$;
comment on function private.open_damage(text, jsonb) is
  'Opens an entry for each finding of a table that no open entry of the same kind covers, and tells people; lets an open one grow when more of it was found.';

create function private.close_damage(p_table text, p_found jsonb, p_covered nummultirange) returns void
language plpgsql set search_path = '' as $$
declare
  v_open public.audit_damage;
  v_ids bigint[];
  v_left bigint;
  v_found jsonb;
begin
  for v_open in
    select o.* from public.audit_damage o
    where o.table_name = p_table and o.over_at is null and not private.is_found(o, p_found)
    -- Those that cost nothing come first: damage that stays must not keep the end of other damage from being seen.
    order by o.block is null or private.numbers(o.first_seq, o.last_seq) <@ p_covered desc, o.id limit 10
  loop
    v_found := '[]';
    if v_open.block is not null and not private.numbers(v_open.first_seq, v_open.last_seq) <@ p_covered then
      v_found := public.verify_audit_integrity(p_table, private.block_of(p_table, v_open.first_seq), private.block_of(p_table, v_open.last_seq)) -> 'damage';
    end if;
    if not private.is_found(v_open, v_found) then
      update public.audit_damage d set over_at = now() where d.id = v_open.id;
      v_ids := v_ids || v_open.id;
    end if;
  end loop;
  select count(*) into v_left from public.audit_damage d where d.table_name = p_table and d.over_at is null;
  perform private.tell_damage('damage_over', p_table, v_ids, nullif(concat_ws(' ',
    case when cardinality(v_ids) > 1 then format('%s findings more are over.', cardinality(v_ids) - 1) end,
    case when v_left > 0 then format('%s are still open.', v_left) end), ''));
end $$;
comment on function private.close_damage(text, jsonb, nummultirange) is
  'Ends the open entries whose numbers were verified (p_covered, or now) without finding anything there, and tells people.';

create function private.is_found(p_damage public.audit_damage, p_found jsonb) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from jsonb_to_recordset(p_found) f (kind text, "firstSeq" bigint, "lastSeq" bigint)
    where ((p_damage.first_seq is null) = (f."firstSeq" is null) and (p_damage.first_seq is not null or f.kind = p_damage.kind))
      and private.numbers(f."firstSeq", f."lastSeq") && private.numbers(p_damage.first_seq, p_damage.last_seq));
end $$;
comment on function private.is_found(public.audit_damage, jsonb) is 'Whether a verification still found damage, of whatever kind, where an entry has it.';

create function private.block_of(p_table text, p_seq bigint) returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return coalesce((select min(b.number) from public.audit_blocks b where b.table_name = p_table and b.last_seq >= p_seq),
    (select max(b.number) from public.audit_blocks b where b.table_name = p_table));
end $$;
comment on function private.block_of(text, bigint) is 'The block that holds a number, or the last one.';

create function private.blocks_with_rows(p_table text, p_first bigint, p_last bigint, p_rows bigint) returns bigint
language plpgsql stable set search_path = '' as $$
declare
  v_position bigint;
begin
  select b.first_position into v_position from public.audit_blocks b where b.table_name = p_table and b.number >= p_first order by b.number limit 1;
  -- In a quiet log blocks have few rows each, and a block has a price of its own.
  return least(p_last, p_first + greatest(p_rows / 100, 1) - 1, (
    select b.number - 1 from public.audit_blocks b
    where b.table_name = p_table and b.number > p_first and b.first_position >= v_position + p_rows order by b.number limit 1));
end $$;
comment on function private.blocks_with_rows(text, bigint, bigint, bigint) is 'The last block, p_last at most, of a range from p_first on that has about p_rows rows; a block counts as 100 rows at least.';

create function private.verify_table(p_name text) returns void
language plpgsql set search_path = '' as $$
declare
  v_state public.audit_verifications;
  v_head public.audit_blocks;
  v_last bigint;
  v_recheck bigint;
  v_new jsonb;
  v_old jsonb := '{"damage": []}'::jsonb;
  v_found jsonb;
  v_covered nummultirange;
begin
  insert into public.audit_verifications (table_name) values (p_name) on conflict do nothing;
  select v.* into v_state from public.audit_verifications v where v.table_name = p_name for update skip locked;
  if not found then
    return; -- Another verification of this table is under way.
  end if;
  select b.number, b.last_seq into v_head.number, v_head.last_seq from public.audit_blocks b where b.table_name = p_name order by b.number desc limit 1;
  v_state.verified_block := least(v_state.verified_block, coalesce(v_head.number, 0));
  v_last := private.blocks_with_rows(p_name, v_state.verified_block + 1, v_head.number, (private.setting('audit_verify_rows'))::bigint);
  v_new := public.verify_audit_integrity(p_name, v_state.verified_block + 1, case when v_last < v_head.number then v_last end);
  v_covered := private.block_numbers(p_name, v_state.verified_block + 1, (v_new ->> 'lastBlock')::bigint);
  if v_last is not distinct from v_head.number then
    v_covered := v_covered + nummultirange(numrange(coalesce(v_head.last_seq, 0), null, '()'));
  end if;

  v_recheck := case when v_state.recheck_block < v_state.verified_block then v_state.recheck_block + 1 else 1 end;
  if v_state.verified_block > 0 then
    v_last := private.blocks_with_rows(p_name, v_recheck, v_state.verified_block, (private.setting('audit_recheck_rows'))::bigint);
    v_old := public.verify_audit_integrity(p_name, v_recheck, v_last);
    v_covered := v_covered + private.block_numbers(p_name, v_recheck, v_last);
  end if;
  v_found := (select coalesce(jsonb_agg(distinct d), '[]') from jsonb_array_elements((v_new -> 'damage') || (v_old -> 'damage')) d) || case
    when v_new -> 'unguarded' <> '[]' then jsonb_build_array(jsonb_build_object('kind', 'unguarded', 'detail',
      'Triggers that keep rows from being changed are off or not the product''s: ' || (select string_agg(u, ', ') from jsonb_array_elements_text(v_new -> 'unguarded') u) || '. Call private.make_immutable() again.'))
    else '[]' end;
  perform private.open_damage(p_name, v_found), private.close_damage(p_name, v_found, v_covered);
  update public.audit_verifications v
  set verified_block = (v_new ->> 'lastBlock')::bigint, recheck_block = coalesce((v_old ->> 'lastBlock')::bigint, 0), verified_at = now() where v.table_name = p_name;
end $$;
comment on function private.verify_table(text) is
  'Verifies what is new in a table and the next part of what is old, opens and ends entries of audit_damage.';

create function private.block_numbers(p_table text, p_first bigint, p_last bigint) returns nummultirange
language plpgsql stable set search_path = '' as $$
declare
  v_numbers nummultirange;
begin
  select nummultirange(numrange(f.first_seq, l.last_seq, '[]')) into v_numbers
  from public.audit_blocks f, public.audit_blocks l
  where (f.table_name, f.number) = (p_table, p_first) and (l.table_name, l.number) = (p_table, p_last) and f.first_seq <= l.last_seq;
  return coalesce(v_numbers, '{}');
end $$;
comment on function private.block_numbers(text, bigint, bigint) is 'The numbers of a range of blocks.';

create function private.verify_audit() returns void
language plpgsql set search_path = '' as $$
declare
  v_name text;
begin
  for v_name in select t.name from public.immutable_tables t order by t.name loop
    begin
      perform private.verify_table(v_name);
    exception when others then
      -- What cannot be verified is not sound, and does not keep the others from being verified.
      raise warning using errcode = sqlstate, hint = 'audit.not_verified', message = format('Table %s was not verified: %s', v_name, sqlerrm);
      perform private.open_damage(v_name, jsonb_build_array(jsonb_build_object('kind', 'unverified', 'detail', 'The table could not be verified: ' || sqlerrm)));
    end;
  end loop;
end $$;
comment on function private.verify_audit() is 'Verifies every immutable table: what is new, and a part of what is old.';

revoke execute on function private.numbers(bigint, bigint), private.tell_damage(text, text, bigint[], text), private.open_damage(text, jsonb),
  private.close_damage(text, jsonb, nummultirange), private.is_found(public.audit_damage, jsonb), private.block_of(text, bigint),
  private.blocks_with_rows(text, bigint, bigint, bigint), private.verify_table(text), private.block_numbers(text, bigint, bigint), private.verify_audit()
  from public, anon, authenticated, service_role;

insert into public.timers (name, schedule, command, description) values (
  'verify-audit', '*/15 * * * *', 'select private.verify_audit()', 'Verifies the immutable tables and tells people of damage.'
);
