-- The state of every immutable table at a glance.

create function public.audit_unsealed(p_table text) returns bigint
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table public.immutable_tables := private.immutable_table(p_table);
begin
  return coalesce(pg_sequence_last_value(to_regclass(v_table.sequence_name)), 0) - v_table.sealed_seq;
end $$;
comment on function public.audit_unsealed(text) is
  'How many numbers of an immutable table were given and are not sealed yet. Raises audit.table_unknown, audit.not_immutable.';
revoke execute on function public.audit_unsealed(text) from public, anon, authenticated;
grant execute on function public.audit_unsealed(text) to service_role;

create view public.audit_status with (security_invoker = true) as
select
  t.name as table_name,
  coalesce(h.size, 0) as sealed_rows,
  coalesce(h.number, 0) as blocks,
  t.sealed_seq,
  h.sealed_at,
  u.numbers as unsealed,
  case when u.numbers > 0 then now() - t.complete_at end as unsealed_age,
  coalesce(v.verified_block, 0) as verified_block,
  v.verified_at,
  c.checkpoints,
  (select coalesce(jsonb_object_agg(r.place, r.kind), '{}') from public.audit_refusals r where r.table_name = t.name) as refusals,
  (select count(*) from public.audit_damage d where d.table_name = t.name and d.over_at is null) as open_damage
from public.immutable_tables t
cross join lateral (select greatest(public.audit_unsealed(t.name), 0) as numbers) u
left join lateral (
  select b.size, b.number, b.sealed_at from public.audit_blocks b where b.table_name = t.name order by b.number desc limit 1
) h on true
left join public.audit_verifications v on v.table_name = t.name
cross join lateral (
  select coalesce(jsonb_object_agg(p.place, jsonb_build_object('size', p.size, 'published_at', p.published_at,
    'age_seconds', extract(epoch from now() - p.published_at)::bigint)), '{}') as checkpoints
  from public.notification_channels n cross join lateral (
    select a.place, a.size, a.published_at from public.audit_publications a
    where a.table_name = t.name and a.place = n.name and a.published_at is not null order by a.size desc limit 1
  ) p where n.purpose = 'checkpoints'
) c;
comment on view public.audit_status is 'Every immutable table: how far it is sealed, verified and published, and what is damaged.';
comment on column public.audit_status.table_name is 'The immutable table.';
comment on column public.audit_status.sealed_rows is 'Rows sealed: the size of its tree.';
comment on column public.audit_status.blocks is 'Blocks sealed.';
comment on column public.audit_status.sealed_seq is 'The last number that is sealed.';
comment on column public.audit_status.sealed_at is 'When the last block was sealed.';
comment on column public.audit_status.unsealed is 'Numbers given and not sealed yet.';
comment on column public.audit_status.unsealed_age is 'For how long they may have waited: since sealing last left none behind; null when none waits.';
comment on column public.audit_status.verified_block is 'The blocks up to this one were verified once.';
comment on column public.audit_status.verified_at is 'When a verification last came to its end.';
comment on column public.audit_status.checkpoints is 'The newest checkpoint of each place: {place: {size, published_at, age_seconds}}.';
comment on column public.audit_status.refusals is 'Places where no checkpoint of it is signed or sent, and why: {place: kind}.';
comment on column public.audit_status.open_damage is 'Open entries of audit_damage.';
revoke all on public.audit_status from public, anon, authenticated, service_role;
grant select on public.audit_status to service_role;
