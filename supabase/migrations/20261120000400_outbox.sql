-- What leaves the database: messages to people, pages, checkpoints of the audit log and actions of rules, written with
-- the state change, delivered later, in order per channel.

create table public.notification_channels (
  name text primary key,
  purpose text not null default 'people',
  enabled boolean not null default true,
  leased_until timestamptz,
  epoch integer not null default 0,
  retry_at timestamptz,
  constraint notification_channels_purpose_is_known check (purpose in ('people', 'pages', 'checkpoints', 'actions'))
);
comment on table public.notification_channels is 'Where messages go; one worker at a time delivers to a channel.';
comment on column public.notification_channels.name is 'What delivers: slack or teams; for pages pagerduty; for checkpoints the place: store, witness or chain; for actions their type.';
comment on column public.notification_channels.purpose is 'people: they are told what happens. pages: whoever is on call is woken there. checkpoints: what the audit log is, is published there. actions: what rules do, is done there.';
comment on column public.notification_channels.enabled is 'False: no message is written for this channel.';
comment on column public.notification_channels.leased_until is 'Until then one worker owns the channel.';
comment on column public.notification_channels.epoch is 'Fencing token: grows with every lease, a stale worker''s report is refused.';
comment on column public.notification_channels.retry_at is 'The receiver asked for a pause, or failed; nothing is sent before.';
insert into public.notification_channels (name) values ('slack'), ('teams');
insert into public.notification_channels (name, purpose, enabled)
values ('pagerduty', 'pages', false), ('store', 'checkpoints', false), ('witness', 'checkpoints', false), ('chain', 'checkpoints', false);
insert into public.notification_channels (name, purpose)
values ('anchor', 'actions'), ('webhook', 'actions'), ('plugin_emit', 'actions'), ('ledger_allocate', 'actions');

create table public.outbox (
  id bigint generated always as identity primary key,
  channel text not null references public.notification_channels (name) on update cascade,
  kind text not null,
  payload jsonb not null,
  dedup_key text not null,
  created_at timestamptz not null default now(),
  not_before timestamptz not null default now(),
  attempts integer not null default 0,
  delivered_at timestamptz,
  failed_at timestamptz,
  last_error text,
  constraint outbox_kind_is_known check (kind in (
    'failure', 'attempt', 'recovered', 'disabled', 'damage', 'damage_over', 'action_failed',
    'incident_opened', 'incident_escalated', 'incident_reminder', 'incident_acknowledged', 'incident_resolved',
    'page', 'page_failed', 'safe_mode_on', 'safe_mode_off', 'checkpoint', 'action')),
  constraint outbox_says_a_thing_once unique (dedup_key, channel),
  constraint outbox_ends_one_way check (delivered_at is null or failed_at is null)
);
comment on table public.outbox is 'Messages to be delivered at least once; a failed one stays as a dead letter.';
comment on column public.outbox.id is 'Order of delivery within a channel.';
comment on column public.outbox.channel is 'Where it goes.';
comment on column public.outbox.kind is 'Which message it is; page: what PagerDuty is to do with an incident; checkpoint: of which table one is to be published; action: which run of an action is to be done.';
comment on column public.outbox.payload is 'The facts the message is made of, without secrets.';
comment on column public.outbox.dedup_key is 'What the message is about; the same thing is said once per channel.';
comment on column public.outbox.created_at is 'When the state changed.';
comment on column public.outbox.not_before is 'Held back until then: a failure may be settled by then, and a message that fails alone lets others pass.';
comment on column public.outbox.attempts is 'How often delivery was tried.';
comment on column public.outbox.delivered_at is 'When the receiver took it.';
comment on column public.outbox.failed_at is 'When it was given up: a dead letter.';
comment on column public.outbox.last_error is 'Why the last attempt failed, without secrets.';

create index outbox_open_idx on public.outbox (channel, id) where delivered_at is null and failed_at is null;
comment on index public.outbox_open_idx is 'What is still to be delivered, in order.';
create index outbox_channel_idx on public.outbox (channel);
comment on index public.outbox_channel_idx is 'For the foreign key.';

alter table public.notification_channels enable row level security;
alter table public.outbox enable row level security;
revoke all on public.notification_channels, public.outbox from public, anon, authenticated, service_role;
revoke all on sequence public.outbox_id_seq from public, anon, authenticated, service_role;
grant select on public.notification_channels, public.outbox to service_role;

create function private.call_dispatch() returns void
language plpgsql set search_path = '' as $$
begin
  if coalesce(current_setting('self_heal.dispatch_is_called', true), '') = '' then
    perform private.invoke_function('dispatch');
    perform set_config('self_heal.dispatch_is_called', 'yes', true);
  end if;
end $$;
comment on function private.call_dispatch() is 'Asks, once in a transaction, for delivery after commit.';
revoke execute on function private.call_dispatch() from public, anon, authenticated, service_role;

create function private.tell(p_kind text, p_dedup_key text, p_payload jsonb, p_delay interval default '0') returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.outbox (channel, kind, dedup_key, payload, not_before)
  select c.name, p_kind, p_dedup_key, p_payload, now() + p_delay
  from public.notification_channels c where c.enabled and c.purpose = 'people' order by c.name
  on conflict do nothing;
  if found and p_delay = '0' then
    perform private.call_dispatch();
  end if;
end $$;
comment on function private.tell(text, text, jsonb, interval) is
  'Writes one message to people per enabled channel, once per dedup key, and asks for delivery after commit unless it is delayed.';
revoke execute on function private.tell(text, text, jsonb, interval) from public, anon, authenticated, service_role;

create function public.claim_outbox(p_channels text[], p_limit integer, p_lease_seconds integer default 60) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_claimed jsonb;
begin
  with due as (
    select c.name from public.notification_channels c
    where c.name = any (p_channels) and (c.leased_until is null or c.leased_until <= now())
      and (c.retry_at is null or c.retry_at <= now())
      and (c.purpose <> 'actions' or not private.is_safe_mode())
      and exists (
        select from public.outbox o
        where o.channel = c.name and o.delivered_at is null and o.failed_at is null and o.not_before <= now())
    order by c.name for no key update skip locked
  ), claimed as (
    update public.notification_channels c
    set leased_until = now() + make_interval(secs => p_lease_seconds), epoch = c.epoch + 1, retry_at = null
    from due where c.name = due.name
    returning c.name, c.epoch
  )
  select jsonb_agg(to_jsonb(claimed)) into v_claimed from claimed;

  -- A new statement sees what the channel's former owner reported until it let go.
  return coalesce((
    select jsonb_agg(jsonb_build_object('channel', claimed.name, 'epoch', claimed.epoch, 'messages', message.list) order by claimed.name)
    from jsonb_to_recordset(v_claimed) claimed (name text, epoch integer) cross join lateral (
      select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'kind', o.kind, 'payload', o.payload, 'attempts', o.attempts) order by o.id), '[]') as list
      from (
        select * from public.outbox
        where channel = claimed.name and delivered_at is null and failed_at is null and not_before <= now()
        order by id limit p_limit
      ) o
    ) message), '[]');
end $$;
comment on function public.claim_outbox(text[], integer, integer) is
  'Leases the named channels that have something to deliver and are free, in safe mode none for actions; returns [{channel, epoch, messages}] in order of delivery.';

create function public.finish_outbox(p_channel text, p_epoch integer, p_results jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  v_retry_after numeric;
begin
  perform from public.notification_channels c where c.name = p_channel and c.epoch = p_epoch for no key update;
  if not found then
    return false;
  end if;
  update public.outbox o
  set attempts = o.attempts + 1,
      delivered_at = case when r.outcome = 'delivered' then now() end,
      failed_at = case when r.outcome = 'dead' then now() end,
      not_before = case when r.outcome = 'held' then now() + make_interval(secs => r.retry_after_seconds::double precision) else o.not_before end,
      last_error = r.error
  from jsonb_to_recordset(p_results) r (id bigint, outcome text, error text, retry_after_seconds numeric)
  where o.id = r.id and o.channel = p_channel and o.delivered_at is null and o.failed_at is null;

  insert into public.audit_log (subsystem, kind, actor, action, resource, result, payload)
  select 'dispatch', 'error', 'system', 'message.given_up', 'outbox:' || r.id, 'dead', jsonb_build_object('error', r.error)
  from jsonb_to_recordset(p_results) r (id bigint, outcome text, error text) where r.outcome = 'dead';

  select max(coalesce(r.retry_after_seconds, 0)) into v_retry_after
  from jsonb_to_recordset(p_results) r (outcome text, retry_after_seconds numeric) where r.outcome = 'retry';
  update public.notification_channels c
  set leased_until = null, retry_at = now() + make_interval(secs => v_retry_after::double precision)
  where c.name = p_channel;
  return true;
end $$;
comment on function public.finish_outbox(text, integer, jsonb) is
  'Records what became of leased messages ([{id, outcome delivered|retry|held|dead, error, retry_after_seconds}]) and frees the channel. A retry pauses the whole channel, a held message waits alone; false, and nothing written, for a stale epoch.';

create function public.reject_outbox(p_channels text[]) returns integer
language sql security definer set search_path = '' as $$
  with rejected as (
    update public.outbox o
    set failed_at = now(),
        last_error = 'channel.not_configured: set the channel''s webhook URL or key, or disable it in notification_channels.'
    where o.channel = any (p_channels) and o.delivered_at is null and o.failed_at is null
    returning o.id, o.last_error
  ), audited as (
    insert into public.audit_log (subsystem, kind, actor, action, resource, result, payload)
    select 'dispatch', 'error', 'system', 'message.given_up', 'outbox:' || r.id, 'dead', jsonb_build_object('error', r.last_error)
    from rejected r order by r.id
  )
  select count(*)::integer from rejected;
$$;
comment on function public.reject_outbox(text[]) is
  'Makes what waits for channels that nobody configured dead letters, so that it is seen; returns how many.';

revoke execute on function public.claim_outbox(text[], integer, integer) from public, anon, authenticated;
revoke execute on function public.finish_outbox(text, integer, jsonb) from public, anon, authenticated;
revoke execute on function public.reject_outbox(text[]) from public, anon, authenticated;
grant execute on function public.claim_outbox(text[], integer, integer) to service_role;
grant execute on function public.finish_outbox(text, integer, jsonb) to service_role;
grant execute on function public.reject_outbox(text[]) to service_role;

insert into public.timers (name, schedule, command, description) values (
  'dispatch', '* * * * *',
  $$select private.invoke_function('dispatch') where exists (
    select from public.outbox o join public.notification_channels c on c.name = o.channel and c.purpose in ('people', 'pages')
    where o.delivered_at is null and o.failed_at is null and o.not_before <= now())$$,
  'Delivers what an earlier dispatch could not.'
);
