-- Checkpoints leave the database: which places took which, and what is still to be published.
-- Only what is signed with a key that this database never sees can show that all of it was rewritten.

create table public.audit_publications (
  table_name text not null references public.immutable_tables (name),
  place text not null references public.notification_channels (name) on update cascade,
  size bigint not null,
  root bytea not null,
  note text,
  reference jsonb not null default '{}',
  begun_at timestamptz not null default now(),
  published_at timestamptz,
  constraint audit_publications_pkey primary key (table_name, place, size),
  constraint audit_publications_size_is_not_negative check (size >= 0),
  constraint audit_publications_root_is_a_sha256 check (octet_length(root) = 32)
);
comment on table public.audit_publications is 'The checkpoints of each immutable table that left the database, place by place.';
comment on column public.audit_publications.table_name is 'The immutable table.';
comment on column public.audit_publications.place is 'Where: store, witness or chain.';
comment on column public.audit_publications.size is 'How many rows the checkpoint covers.';
comment on column public.audit_publications.root is 'The root of the tree of these rows.';
comment on column public.audit_publications.note is 'The signed note, as it was published.';
comment on column public.audit_publications.reference is 'How to find it at the place, for example a transaction id.';
comment on column public.audit_publications.begun_at is 'When publishing it was begun.';
comment on column public.audit_publications.published_at is 'When the place took it; null before.';

create index audit_publications_place_idx on public.audit_publications (place);
comment on index public.audit_publications_place_idx is 'For the foreign key.';
create index audit_publications_begun_idx on public.audit_publications (table_name, place, size) where published_at is null;
comment on index public.audit_publications_begun_idx is 'What was begun and not finished, among all that was published.';

create table public.audit_refusals (
  table_name text not null references public.immutable_tables (name),
  place text not null references public.notification_channels (name) on update cascade,
  kind text not null,
  detail text not null,
  refused_at timestamptz not null default now(),
  constraint audit_refusals_pkey primary key (table_name, place),
  constraint audit_refusals_kind_is_known check (kind in ('tail_cut', 'rewritten', 'checkpoint_lost', 'checkpoint_unreadable'))
);
comment on table public.audit_refusals is 'Tables of which no checkpoint is signed or sent at the moment, as it would contradict an earlier one. A row goes when the place takes one again.';
comment on column public.audit_refusals.table_name is 'The immutable table.';
comment on column public.audit_refusals.place is 'Where it would have gone.';
comment on column public.audit_refusals.kind is
  'tail_cut or rewritten: compared with what was published. checkpoint_lost or checkpoint_unreadable: there is nothing to compare with any more.';
comment on column public.audit_refusals.detail is 'What was found, with sizes.';
comment on column public.audit_refusals.refused_at is 'When it was first refused for this reason.';
create index audit_refusals_place_idx on public.audit_refusals (place);
comment on index public.audit_refusals_place_idx is 'For the foreign key.';

alter table public.audit_publications enable row level security;
alter table public.audit_refusals enable row level security;
revoke all on public.audit_publications, public.audit_refusals from public, anon, authenticated, service_role;
grant select on public.audit_publications, public.audit_refusals to service_role;

create function private.publish(p_table text default null) returns void
language plpgsql set search_path = '' as $$
begin
  -- One row for each table and place, opened again and again: what is published is the log as it is at delivery.
  insert into public.outbox as o (channel, kind, dedup_key, payload)
  select c.name, 'checkpoint', 'checkpoint:' || head.table_name, jsonb_build_object('table_name', head.table_name)
  from public.immutable_tables t
  cross join lateral (
    select b.table_name, b.size, b.root from public.audit_blocks b where b.table_name = t.name order by b.number desc limit 1
  ) head
  cross join public.notification_channels c
  left join lateral (
    select p.size, p.root from public.audit_publications p
    where p.table_name = t.name and p.place = c.name and p.published_at is not null order by p.size desc limit 1
  ) published on true
  where (p_table is null or t.name = p_table) and c.purpose = 'checkpoints' and c.enabled and head.size > 0
    and (head.size, head.root) is distinct from (published.size, published.root)
    -- What is asked for already is not touched: whoever delivers it reports meanwhile.
    and not exists (
      select from public.outbox a where a.dedup_key = 'checkpoint:' || t.name and a.channel = c.name
        and a.delivered_at is null and a.failed_at is null)
  order by t.name, c.name
  on conflict (dedup_key, channel) do update
  set delivered_at = null, failed_at = null, attempts = 0, last_error = null, created_at = now(), not_before = now()
  where o.delivered_at is not null or o.failed_at is not null;

  if coalesce(current_setting('audit.publishing_is_called', true), '') = '' and exists (
    select from public.outbox o join public.notification_channels c on c.name = o.channel
    where c.purpose = 'checkpoints' and c.enabled and (c.retry_at is null or c.retry_at <= now())
      and o.delivered_at is null and o.failed_at is null and o.not_before <= now()
  ) then
    perform private.invoke_function('publish-checkpoints');
    perform set_config('audit.publishing_is_called', 'yes', true);
  end if;
end $$;
comment on function private.publish(text) is
  'Asks, once in a transaction, for the checkpoint of a table, or of every table, to be published at each place that has not got it yet.';

create function private.checkpoint_place(p_place text) returns text
language plpgsql stable set search_path = '' as $$
begin
  if not exists (select from public.notification_channels c where c.name = p_place and c.purpose = 'checkpoints') then
    raise exception using errcode = 'PT422', hint = 'audit.place_unknown',
      message = format('"%s" is no place for checkpoints. The places are the rows of notification_channels with purpose checkpoints.', p_place);
  end if;
  return p_place;
end $$;
comment on function private.checkpoint_place(text) is 'The name of a place for checkpoints; raises audit.place_unknown.';

create function private.checkpoint_root(p_root text) returns bytea
language plpgsql immutable set search_path = '' as $$
begin
  if coalesce(p_root, '') !~ '^[A-Za-z0-9+/]{43}=$' then
    raise exception using errcode = 'PT422', hint = 'audit.checkpoint_invalid', message = 'The root of a checkpoint is 32 bytes in base64, 44 characters.';
  end if;
  return decode(p_root, 'base64');
end $$;
comment on function private.checkpoint_root(text) is 'A root as bytes, from base64; raises audit.checkpoint_invalid.';

create function public.audit_head(p_table text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_name text := (private.immutable_table(p_table)).name;
  v_head public.audit_blocks;
begin
  select b.* into v_head from public.audit_blocks b where b.table_name = v_name order by b.number desc limit 1;
  return jsonb_build_object('table', v_name, 'size', coalesce(v_head.size, 0), 'root', encode(coalesce(v_head.root, sha256('')), 'base64'),
    'lastSeq', coalesce(v_head.last_seq, 0), 'block', coalesce(v_head.number, 0), 'sealedAt', v_head.sealed_at);
end $$;
comment on function public.audit_head(text) is
  'How far an immutable table is sealed: {table, size, root (base64), lastSeq, block, sealedAt}; size 0 before the first block. Raises audit.table_unknown, audit.not_immutable.';

create function public.audit_publication(p_table text, p_place text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_name text := (private.immutable_table(p_table)).name;
  v_place text := private.checkpoint_place(p_place);
  v_found jsonb;
begin
  select jsonb_object_agg(f.state, jsonb_build_object('size', f.size, 'root', encode(f.root, 'base64'), 'note', f.note,
    'reference', f.reference, 'begunAt', f.begun_at, 'publishedAt', f.published_at)) into v_found
  from (
    (select 'published' as state, p.* from public.audit_publications p
     where p.table_name = v_name and p.place = v_place and p.published_at is not null order by p.size desc limit 1)
    union all
    (select 'begun', p.* from public.audit_publications p
     where p.table_name = v_name and p.place = v_place and p.published_at is null order by p.size desc limit 1)
  ) f;
  return jsonb_build_object('published', null, 'begun', null) || coalesce(v_found, '{}');
end $$;
comment on function public.audit_publication(text, text) is
  'The newest checkpoint of a table that a place took, and the newest that was begun and not finished: {published, begun}, each null or {size, root (base64), note, reference, begunAt, publishedAt}. Raises audit.table_unknown, audit.not_immutable, audit.place_unknown.';

create function public.record_publication(
  p_table text, p_place text, p_size bigint, p_root text, p_note text, p_reference jsonb default '{}', p_done boolean default true
) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_name text := (private.immutable_table(p_table)).name;
  v_place text := private.checkpoint_place(p_place);
  v_root bytea := private.checkpoint_root(p_root);
begin
  insert into public.audit_publications as a (table_name, place, size, root, note, reference, published_at)
  values (v_name, v_place, p_size, v_root, p_note, p_reference, case when p_done then now() end)
  on conflict (table_name, place, size) do update
  set root = excluded.root, note = excluded.note, reference = excluded.reference,
      published_at = coalesce(a.published_at, excluded.published_at)
  where case when p_done then a.root = excluded.root or a.published_at is null
    -- Of workers that begin at once the first one wins, so that all go on with the same.
    else a.published_at is null and (a.root <> excluded.root or a.reference ->> 'transactionId' = p_reference ->> 'replaces') end;
  if not found and not exists (
    select from public.audit_publications a
    where a.table_name = v_name and a.place = v_place and a.size = p_size and a.root = v_root
  ) then
    raise exception using errcode = 'PT409', hint = 'checkpoint.inconsistent',
      message = format('Another checkpoint of %s with %s rows was published at %s before. The log was rewritten since.', v_name, p_size, v_place);
  end if;
  if p_done then
    delete from public.audit_refusals r where r.table_name = v_name and r.place = v_place;
    if found then
      perform private.audit('audit', 'system', 'checkpoint.accepted', 'table:' || v_name, 'published', jsonb_build_object('place', v_place, 'size', p_size));
      perform private.tell('damage_over', format('checkpoint:%s:%s:%s', v_name, v_place, now()), jsonb_build_object('table_name', v_name, 'place', v_place));
    end if;
  end if;
end $$;
comment on function public.record_publication(text, text, bigint, text, text, jsonb, boolean) is
  'Records that a place took a checkpoint; ends a refusal at that place and says so. With p_done false: that publishing began, which changes nothing when it had begun before, unless p_reference.replaces is the transactionId recorded then. Raises audit.table_unknown, audit.not_immutable, audit.place_unknown, audit.checkpoint_invalid, checkpoint.inconsistent.';

create function public.refuse_publication(p_table text, p_place text, p_kind text, p_detail text) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_name text := (private.immutable_table(p_table)).name;
  v_place text := private.checkpoint_place(p_place);
begin
  insert into public.audit_refusals as r (table_name, place, kind, detail) values (v_name, v_place, p_kind, p_detail)
  on conflict (table_name, place) do update set kind = excluded.kind, detail = excluded.detail, refused_at = now()
  where r.kind <> excluded.kind;
  if found then
    perform private.audit('audit', 'system', 'checkpoint.refused', 'table:' || v_name, p_kind, jsonb_build_object('place', v_place, 'detail', p_detail), 'error');
    perform private.tell('damage', format('checkpoint:%s:%s:%s:%s', v_name, v_place, p_kind, now()),
      jsonb_build_object('table_name', v_name, 'kind', p_kind, 'place', v_place, 'detail', p_detail));
  end if;
end $$;
comment on function public.refuse_publication(text, text, text, text) is
  'Records that no checkpoint of a table is signed or sent, and tells people once, until the place takes one again. Raises audit.table_unknown, audit.not_immutable, audit.place_unknown.';

revoke execute on function private.publish(text), private.checkpoint_place(text), private.checkpoint_root(text)
  from public, anon, authenticated, service_role;
revoke execute on function public.audit_head(text), public.audit_publication(text, text),
  public.record_publication(text, text, bigint, text, text, jsonb, boolean),
  public.refuse_publication(text, text, text, text) from public, anon, authenticated;
grant execute on function public.audit_head(text), public.audit_publication(text, text),
  public.record_publication(text, text, bigint, text, text, jsonb, boolean),
  public.refuse_publication(text, text, text, text) to service_role;

insert into public.timers (name, schedule, command, description) values (
  'publish-checkpoints', '* * * * *', 'select private.publish()', 'Publishes what an earlier turn could not, and what nobody asked for.'
);
