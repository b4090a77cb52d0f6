-- What happened: calls of integrations, failures, and groups of equal failures.
-- Works on a project that already has integration_events: what is missing is added.

create table if not exists public.integration_events (id uuid primary key default gen_random_uuid());
alter table public.integration_events
  add column if not exists user_id uuid,
  add column if not exists service_name text,
  add column if not exists event_type text,
  add column if not exists payload jsonb,
  add column if not exists created_at timestamptz default now(),
  add column if not exists status text default 'success',
  add column if not exists error_code text,
  add column if not exists error_message text,
  add column if not exists http_status integer,
  add column if not exists retry_count integer default 0,
  add column if not exists request jsonb,
  add column if not exists duration_ms integer,
  add constraint integration_event_status_is_known check (status in ('success', 'error', 'pending')) not valid;
create index if not exists idx_integration_events_status_created on public.integration_events (status, created_at desc);

comment on table public.integration_events is 'One row per call of an integration, successful or not.';
comment on column public.integration_events.id is 'Identity; failure reports carry it as event_id.';
comment on column public.integration_events.user_id is 'On whose behalf the call was made.';
comment on column public.integration_events.service_name is 'The integration.';
comment on column public.integration_events.event_type is 'What was done, for example alert.failed.';
comment on column public.integration_events.payload is 'Details without secrets.';
comment on column public.integration_events.created_at is 'When it was recorded.';
comment on column public.integration_events.status is 'success, error, or pending.';
comment on column public.integration_events.error_code is 'The provider''s or runtime''s code.';
comment on column public.integration_events.error_message is 'The error text, redacted.';
comment on column public.integration_events.http_status is 'The provider''s status; null when no answer came.';
comment on column public.integration_events.retry_count is 'How often the call was repeated.';
comment on column public.integration_events.request is 'The request in its repeatable form, without secrets.';
comment on column public.integration_events.duration_ms is 'How long the exchange with the provider took, in milliseconds; null: there was none, or it was not timed.';
comment on index public.idx_integration_events_status_created is 'Recent events by status.';

alter table public.integration_events enable row level security;
revoke all on public.integration_events from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.integration_events to service_role;

create table public.failure_groups (
  id bigint generated always as identity primary key,
  service_name text not null,
  failure_category text not null references public.recovery_thresholds (failure_category),
  fingerprint text not null,
  opened_at timestamptz not null default now(),
  closed_at timestamptz
);
comment on table public.failure_groups is 'Equal failures that are open together: people are told when the first comes and when the last is settled.';
comment on column public.failure_groups.id is 'Identity.';
comment on column public.failure_groups.service_name is 'The integration, registered or not.';
comment on column public.failure_groups.failure_category is 'Category of the first failure.';
comment on column public.failure_groups.fingerprint is 'Template of the error message.';
comment on column public.failure_groups.opened_at is 'When the first failure came.';
comment on column public.failure_groups.closed_at is 'When the last one was settled; null while any is open.';
create unique index failure_groups_open_key on public.failure_groups (service_name, failure_category, fingerprint) where closed_at is null;
comment on index public.failure_groups_open_key is 'Equal failures share one open group.';
create index failure_groups_closed_idx on public.failure_groups (failure_category, service_name, fingerprint, closed_at desc);
comment on index public.failure_groups_closed_idx is 'When equal failures were last settled; also for the foreign key.';

create table public.system_integrity_events (
  id uuid primary key default gen_random_uuid(),
  event_id uuid,
  service_name text not null,
  failure_reason text,
  failure_category text,
  action_taken text,
  analyzer_signals jsonb,
  llm_reasoning text,
  status text not null default 'pending',
  resolved_at timestamptz,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  user_id uuid,
  group_id bigint references public.failure_groups (id),
  confidence real,
  fingerprint text,
  attempts integer not null default 0,
  next_retry_at timestamptz,
  leased_until timestamptz,
  epoch integer not null default 0,
  retry_tokens_held integer not null default 0,
  constraint status_is_known check (status in ('pending', 'resolved', 'disabled')),
  constraint failure_category_is_known check (failure_category in ('auth', 'rate_limit', 'network', 'data', 'unknown')),
  constraint resolved_recovery_has_a_time_and_no_retry check (
    status <> 'resolved' or (resolved_at is not null and next_retry_at is null and leased_until is null)),
  constraint confidence_is_a_share check (confidence between 0 and 1)
);
comment on table public.system_integrity_events is 'One row per failure and what became of it.';
comment on column public.system_integrity_events.id is 'The recovery_id of the API.';
comment on column public.system_integrity_events.event_id is 'The failed call in integration_events; each is processed once.';
comment on column public.system_integrity_events.service_name is 'The integration.';
comment on column public.system_integrity_events.failure_reason is 'The error text of the last try, redacted.';
comment on column public.system_integrity_events.failure_category is 'auth, rate_limit, network, data or unknown.';
comment on column public.system_integrity_events.action_taken is 'What was done last, for people.';
comment on column public.system_integrity_events.analyzer_signals is '{signals, advice, owner, refreshable} of the classification.';
comment on column public.system_integrity_events.llm_reasoning is 'Explanation of a language model, when one was asked; decides nothing.';
comment on column public.system_integrity_events.status is 'pending, resolved, or disabled (its integration is).';
comment on column public.system_integrity_events.resolved_at is 'When it was settled.';
comment on column public.system_integrity_events.created_at is 'When it was reported.';
comment on column public.system_integrity_events.updated_at is 'When it last changed.';
comment on column public.system_integrity_events.user_id is 'On whose behalf the call was made.';
comment on column public.system_integrity_events.group_id is 'The open group of equal failures it belongs to.';
comment on column public.system_integrity_events.confidence is 'Of the classification, 0 to 1.';
comment on column public.system_integrity_events.fingerprint is 'Template of the error message.';
comment on column public.system_integrity_events.attempts is 'How often the call was repeated; obeying a wait is none.';
comment on column public.system_integrity_events.next_retry_at is 'When it is due; null: nothing is scheduled.';
comment on column public.system_integrity_events.leased_until is 'Until then one worker owns it; null: nobody.';
comment on column public.system_integrity_events.epoch is 'Fencing token: grows with every lease, a stale worker''s result is refused.';
comment on column public.system_integrity_events.retry_tokens_held is 'Retries taken from the budget for the attempt under way.';

create index idx_system_integrity_events_service_status on public.system_integrity_events (service_name, status, created_at desc);
comment on index public.idx_system_integrity_events_service_status is 'Failures of a service by status, newest first.';
create unique index idx_system_integrity_events_event_id on public.system_integrity_events (event_id);
comment on index public.idx_system_integrity_events_event_id is 'Each event is processed once.';
create index idx_system_integrity_events_category on public.system_integrity_events (failure_category, created_at desc);
comment on index public.idx_system_integrity_events_category is 'Failures by category, newest first.';
create index system_integrity_events_due_idx on public.system_integrity_events (service_name, next_retry_at) where next_retry_at is not null;
comment on index public.system_integrity_events_due_idx is 'What is scheduled, per service.';
create index system_integrity_events_leased_idx on public.system_integrity_events (service_name) where leased_until is not null;
comment on index public.system_integrity_events_leased_idx is 'What is under way, per service.';
create index system_integrity_events_waiting_idx on public.system_integrity_events (service_name)
  where status = 'pending' and next_retry_at is null and leased_until is null;
comment on index public.system_integrity_events_waiting_idx is 'What waits for nothing but a success, per service.';
create index system_integrity_events_auth_idx on public.system_integrity_events (service_name, user_id)
  where failure_category = 'auth' and status <> 'resolved';
comment on index public.system_integrity_events_auth_idx is 'What may wait for new tokens, per grant.';
create index system_integrity_events_group_idx on public.system_integrity_events (group_id, status);
comment on index public.system_integrity_events_group_idx is 'Members of a group; which of them are open.';

alter table public.failure_groups enable row level security;
alter table public.system_integrity_events enable row level security;
revoke all on public.failure_groups, public.system_integrity_events from public, anon, authenticated, service_role;
revoke all on sequence public.failure_groups_id_seq from public, anon, authenticated, service_role;
grant select on public.failure_groups, public.system_integrity_events to service_role;

create table private.scan_watermark (
  one boolean primary key default true,
  scanned_until timestamptz not null default now(),
  constraint there_is_one_row check (one)
);
comment on table private.scan_watermark is 'How far the scan for failures that were never reported has come.';
comment on column private.scan_watermark.one is 'Always true.';
comment on column private.scan_watermark.scanned_until is 'Everything older was seen; the next scan begins its window before.';
insert into private.scan_watermark default values;
alter table private.scan_watermark enable row level security;
revoke all on private.scan_watermark from public, anon, authenticated, service_role;

create function private.close_groups(p_group_ids bigint[], p_action_taken text) returns void
language plpgsql set search_path = '' as $$
declare
  v_group public.failure_groups;
  v_told text[];
begin
  for v_group in
    select * from public.failure_groups g where g.id = any (p_group_ids) and g.closed_at is null
    order by g.service_name, g.failure_category, g.fingerprint for update
  loop
    -- A new statement sees what reporters committed while the lock was awaited.
    continue when exists (
      select from public.system_integrity_events e where e.group_id = v_group.id and e.status in ('pending', 'disabled'));
    update public.failure_groups g set closed_at = now() where g.id = v_group.id;
    v_told := array['group:' || v_group.id || ':failure', 'group:' || v_group.id || ':attempt'];
    delete from public.outbox o where o.dedup_key = any (v_told) and o.not_before > now() and o.delivered_at is null;
    v_told := v_told || array['group:' || v_group.id || ':unrecovered', 'group:' || v_group.id || ':after_refresh'];
    continue when not exists (select from public.outbox o where o.dedup_key = any (v_told));
    perform private.tell('recovered', 'group:' || v_group.id || ':recovered', (
      select jsonb_build_object('service_name', v_group.service_name, 'action_taken', p_action_taken,
        'duration_seconds', extract(epoch from now() - v_group.opened_at), 'occurrences', count(*),
        'failure_reason', (array_agg(e.failure_reason order by e.created_at))[1])
      from public.system_integrity_events e where e.group_id = v_group.id));
  end loop;
end $$;
comment on function private.close_groups(bigint[], text) is
  'Closes those of the groups in which nothing is open any more and tells people, unless they were told nothing: a failure that is still held back is withdrawn.';

create function private.release_recoveries(p_service_name text, p_user_id uuid) returns void
language sql set search_path = '' as $$
  update public.system_integrity_events e set next_retry_at = now(), updated_at = now()
  from public.integration_events c
  where e.service_name = p_service_name and (e.user_id = p_user_id or (e.user_id is null and p_user_id is null)) and e.status in ('pending', 'disabled')
    and e.failure_category = 'auth' and e.leased_until is null and (e.next_retry_at is null or e.next_retry_at > now())
    and c.id = e.event_id and c.request is not null;
$$;
comment on function private.release_recoveries(text, uuid) is 'New tokens arrived: makes the user''s waiting auth failures due.';

create function private.lock_unregistered(p_service_names text[]) returns void
language plpgsql set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('self-heal:' || s.name, 0))
  from (select distinct n.name from unnest(p_service_names) n (name) order by 1) s
  where not exists (select from public.integrations_master i where i.service_name = s.name);
end $$;
comment on function private.lock_unregistered(text[]) is
  'Services that are not registered have no row to lock; this takes its place until the end of the transaction.';

create function private.unsettled_services(p_service_names text[]) returns setof text
language plpgsql stable set search_path = '' as $$
begin
  return query select s.name from unnest(p_service_names) s (name)
  where exists (
      select from public.integrations_master i where i.service_name = s.name
        and (i.recovery_fail_count > 0 or i.breaker_state <> 'closed' or i.disabled_by = 'self-heal'))
    or exists (
      select from public.system_integrity_events e
      where e.service_name = s.name and e.status = 'pending' and e.next_retry_at is null and e.leased_until is null);
end $$;
comment on function private.unsettled_services(text[]) is 'Those of the services in which a successful call changes something.';

create function private.note_success(p_service_name text, p_user_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
  v_before public.integrations_master;
  v_groups bigint[];
begin
  if not exists (select private.unsettled_services(array[p_service_name])) then
    return;
  end if;
  select * into v_before from public.integrations_master i where i.service_name = p_service_name for no key update;
  if not found then
    perform private.lock_unregistered(array[p_service_name]);
  end if;
  if v_before.recovery_fail_count > 0 or v_before.breaker_state <> 'closed' or v_before.disabled_by = 'self-heal' then
    update public.integrations_master i
    set recovery_fail_count = 0, last_recovery_at = now(),
        breaker_state = 'closed', breaker_failures = 0, breaker_trips = 0, breaker_until = null,
        enabled = i.enabled or i.disabled_by = 'self-heal',
        disabled_reason = case when i.disabled_by <> 'self-heal' then i.disabled_reason end,
        disabled_at = case when i.disabled_by <> 'self-heal' then i.disabled_at end,
        disabled_by = case when i.disabled_by <> 'self-heal' then i.disabled_by end
    where i.service_name = p_service_name;
    delete from public.failure_streaks s where s.service_name = p_service_name;
    if v_before.disabled_by = 'self-heal' then
      perform private.announce_enabled(v_before, 'system');
    elsif v_before.breaker_state <> 'closed' and v_before.enabled then
      perform private.release_held(p_service_name);
      perform private.audit('self-heal', 'system', 'breaker.closed', 'integration:' || p_service_name, 'closed',
        jsonb_build_object('trips', v_before.breaker_trips), 'decision');
    end if;
  end if;

  with resolved as (
    update public.system_integrity_events e
    set status = 'resolved', resolved_at = now(), updated_at = now(), action_taken = 'A later call succeeded'
    where e.service_name = p_service_name and e.status = 'pending' and e.next_retry_at is null and e.leased_until is null
      and (e.failure_category <> 'auth' or e.user_id is not distinct from p_user_id)
    returning e.id, e.group_id
  ), audited as (
    insert into public.audit_log (subsystem, actor, action, resource, result)
    select 'self-heal', 'system', 'failure.resolved_by_later_success', 'recovery:' || resolved.id, 'resolved' from resolved
  )
  select array_agg(distinct resolved.group_id) into v_groups from resolved;
  if v_groups is not null then
    perform private.close_groups(v_groups, 'A later call succeeded');
  end if;
end $$;
comment on function private.note_success(text, uuid) is
  'A call of the service succeeded: closes the breaker, ends streaks, brings an automatically disabled integration back, and resolves open failures that wait for nothing else (those of other users'' grants excepted).';

create function private.release_held(p_service_name text) returns void
language sql set search_path = '' as $$
  update public.system_integrity_events e
  set status = 'pending', updated_at = now(), next_retry_at = case when e.next_retry_at is not null then now() end
  where e.service_name = p_service_name and e.leased_until is null
    and (e.status = 'disabled' or (e.status = 'pending' and e.next_retry_at > now() and e.failure_category <> 'rate_limit'));
$$;
comment on function private.release_held(text) is 'The service is back: what was held is pending again, and due if it was scheduled.';

create function private.announce_enabled(p_before public.integrations_master, p_actor text) returns void
language plpgsql set search_path = '' as $$
begin
  perform private.release_held(p_before.service_name);
  perform private.audit('self-heal', p_actor, 'integration.enabled', 'integration:' || p_before.service_name, 'enabled',
    jsonb_build_object('disabled_at', p_before.disabled_at, 'reason', p_before.disabled_reason), 'decision');
  perform private.tell('recovered', format('enabled:%s:%s', p_before.service_name, extract(epoch from now())), jsonb_build_object(
    'service_name', p_before.service_name, 'action_taken', 'Integration re-enabled',
    'duration_seconds', extract(epoch from now() - p_before.disabled_at), 'failure_reason', p_before.disabled_reason));
end $$;
comment on function private.announce_enabled(public.integrations_master, text) is 'What follows when an integration is enabled again: held recoveries are released, people are told.';

create function private.on_integration_events() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_unsettled text[] := '{}'::text[];
  v_locked text[];
  v_success record;
begin
  if exists (select from inserted e where e.status = 'success') then
    v_unsettled := array(select private.unsettled_services(array(select distinct e.service_name from inserted e where e.status = 'success')));
  end if;
  -- Where nothing changes nothing is locked: that is the hot path. What needs a change only after this has its turn with the next call.
  select array_agg(l.service_name) into v_locked from (
    select i.service_name from public.integrations_master i
    where i.service_name in (select e.service_name from inserted e)
      and (i.retry_tokens < i.retry_budget_capacity or i.service_name = any (v_unsettled))
    order by i.service_name for no key update
  ) l;

  if v_locked is not null then
    update public.integrations_master i
    set retry_tokens = least(i.retry_budget_capacity, private.retry_tokens_now(i) + 0.1 * c.calls), retry_tokens_at = now()
    from (select e.service_name, count(*) as calls from inserted e group by 1) c
    where i.service_name = any (v_locked) and i.service_name = c.service_name and i.retry_tokens < i.retry_budget_capacity;
  end if;
  if v_unsettled <> '{}' then
    for v_success in
      select distinct e.service_name, e.user_id from inserted e
      where e.status = 'success' and e.service_name = any (v_unsettled) order by 1, 2
    loop
      perform private.note_success(v_success.service_name, v_success.user_id);
    end loop;
  end if;
  return null;
end $$;
comment on function private.on_integration_events() is
  'Every call adds a tenth of a retry to its integration''s budget, so that retries stay within a tenth of the traffic; a success settles what it proves.';
create trigger integration_events_are_noted after insert on public.integration_events
  referencing new table as inserted for each statement execute function private.on_integration_events();
comment on trigger integration_events_are_noted on public.integration_events is 'Also for rows that a project''s own functions insert.';

revoke execute on function private.close_groups(bigint[], text) from public, anon, authenticated, service_role;
revoke execute on function private.release_recoveries(text, uuid) from public, anon, authenticated, service_role;
revoke execute on function private.lock_unregistered(text[]) from public, anon, authenticated, service_role;
revoke execute on function private.unsettled_services(text[]) from public, anon, authenticated, service_role;
revoke execute on function private.note_success(text, uuid) from public, anon, authenticated, service_role;
revoke execute on function private.release_held(text) from public, anon, authenticated, service_role;
revoke execute on function private.announce_enabled(public.integrations_master, text) from public, anon, authenticated, service_role;
revoke execute on function private.on_integration_events() from public, anon, authenticated, service_role;
