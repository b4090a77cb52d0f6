-- Reports of failures: what is recorded of each, and what is to be done about it.
-- Whoever changes what belongs to an integration locks the integration first, several in the order of their names; then
-- recoveries, then failure groups by service, category and fingerprint.
-- Plans are generic on purpose: with arrays as parameters Postgres would otherwise plan every call anew, which costs more than
-- the work itself; and as a plan may be made while the tables are still empty, it may not settle on reading them whole.

create domain private.plan_step as text not null constraint plan_step_is_known check (value in ('recover', 'wait', 'tell'));
comment on domain private.plan_step is 'Repeat the call now, wait for a stated time, or leave it to people.';

create type private.failure_report as (
  event_id uuid, service_name text, user_id uuid, http_status integer, error_code text, error_message text, endpoint text, payload jsonb,
  retry_count integer, request jsonb, category text, confidence real, signals jsonb, advice text, owner text, fingerprint text,
  refreshable boolean, plan jsonb, hold boolean
);
comment on type private.failure_report is 'One classified failure with its plan {step, action_taken, delay_seconds, attempts}.';

create function private.open_groups(p_reports private.failure_report[]) returns bigint[]
language plpgsql set search_path = '' as $$
declare
  v_opened bigint[] := array[]::bigint[];
  v_new bigint[];
  v_keys bigint;
  v_locked bigint;
begin
  select count(distinct (r.service_name, r.category, r.fingerprint)) into v_keys from unnest(p_reports) r;
  loop
    -- Reporters share the lock, so that the group cannot be closed before their failure is in it.
    perform from (select distinct r.service_name, r.category, r.fingerprint from unnest(p_reports) r order by 1, 2, 3) k
    cross join lateral (
      select g.id from public.failure_groups g
      where g.service_name = k.service_name and g.failure_category = k.category and g.fingerprint = k.fingerprint and g.closed_at is null
      for key share) g;
    get diagnostics v_locked = row_count;
    exit when v_locked = v_keys;
    with opened as (
      insert into public.failure_groups (service_name, failure_category, fingerprint)
      select distinct r.service_name, r.category, r.fingerprint from unnest(p_reports) r order by 1, 2, 3
      on conflict (service_name, failure_category, fingerprint) where closed_at is null do nothing
      returning id
    )
    select array_agg(opened.id) into v_new from opened;
    v_opened := v_opened || v_new;
  end loop;
  return v_opened;
end $$;
comment on function private.open_groups(private.failure_report[]) is
  'Makes sure that every report''s group is open, and keeps it open until commit; returns the groups that were opened now.';

create function private.record_failures(p_reports private.failure_report[]) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  v_is_safe_mode constant boolean := private.is_safe_mode();
  v_opened bigint[];
  v_recorded uuid[];
  v_counted record;
begin
  insert into public.integration_events (id, service_name, user_id, event_type, status, error_code, error_message, http_status, retry_count, payload, request)
  select r.event_id, r.service_name, r.user_id, 'call.failed', 'error', r.error_code, r.error_message, r.http_status, r.retry_count,
    case when r.endpoint is null then r.payload else jsonb_build_object('endpoint', r.endpoint) || coalesce(r.payload, '{}') end, r.request
  from unnest(p_reports) r order by r.event_id
  on conflict (id) do update set request = excluded.request
  where integration_events.request is null and excluded.request is not null;

  v_opened := private.open_groups(p_reports);

  with candidate as (
    select r.*, i as integration, i.service_name is not null as registered,
      (r.plan ->> 'step')::private.plan_step as step, coalesce((r.plan ->> 'attempts')::integer, 1) as wanted,
      now() + make_interval(secs => (r.plan ->> 'delay_seconds')::double precision) as wait_until,
      (select c.request is not null from public.integration_events c where c.id = r.event_id) or (r.category = 'auth' and exists (
        select from public.user_integrations g where g.service_name = r.service_name and (g.user_id = r.user_id or (g.user_id is null and r.user_id is null))
          and g.refresh_token is not null and not g.needs_reauth)) as recoverable
    from unnest(p_reports) r left join public.integrations_master i on i.service_name = r.service_name
  ), gated as (
    select candidate.*, case
      when not registered then 'unregistered'
      when not (integration).enabled then 'disabled'
      when step = 'tell' then 'tell'
      when not (integration).auto_recovery_enabled then 'switched_off'
      when not recoverable then 'not_repeatable'
      when v_is_safe_mode then 'safe_mode'
      when (integration).breaker_state <> 'closed' or hold then 'held'
      when step = 'wait' then 'wait'
      when (integration).rate_limited_until > now() then 'rate_limited'
      when category <> 'auth' and private.retry_tokens_now(integration) < sum(wanted) filter (where category <> 'auth' and step = 'recover')
        over (partition by service_name order by event_id) then 'no_budget'
      else 'claimed' end as gate
    from candidate
  ), recorded as (
    insert into public.system_integrity_events (
      event_id, service_name, user_id, failure_reason, failure_category, confidence, fingerprint, analyzer_signals,
      group_id, status, action_taken, next_retry_at, leased_until, epoch, retry_tokens_held)
    select d.event_id, d.service_name, d.user_id, d.error_message, d.category, d.confidence, d.fingerprint,
      jsonb_build_object('signals', d.signals, 'advice', d.advice, 'owner', d.owner, 'refreshable', d.refreshable),
      (select g.id from public.failure_groups g
       where g.service_name = d.service_name and g.failure_category = d.category and g.fingerprint = d.fingerprint and g.closed_at is null),
      case d.gate when 'disabled' then 'disabled' else 'pending' end,
      case d.gate
        when 'unregistered' then 'Recorded; the service is not registered, so nothing is repeated'
        when 'disabled' then 'Held: the integration is disabled'
        when 'switched_off' then 'Recorded; automatic recovery is switched off for this integration'
        when 'not_repeatable' then 'Waiting for the next success: the request was not stored, so it cannot be repeated'
        when 'safe_mode' then 'Held: the platform is in safe mode'
        when 'held' then case when (d.integration).breaker_state = 'closed' then d.plan ->> 'action_taken' else 'Held by the circuit breaker' end
        when 'rate_limited' then 'Waiting for the provider''s rate limit'
        when 'no_budget' then 'Waiting for the retry budget'
        else d.plan ->> 'action_taken' end,
      case d.gate
        when 'disabled' then case when d.recoverable and d.step <> 'tell' then coalesce((d.integration).breaker_until, now() + interval '1 day') end
        when 'safe_mode' then greatest(now(), d.wait_until)
        when 'held' then greatest(coalesce((d.integration).breaker_until, now()), d.wait_until)
        when 'wait' then d.wait_until
        when 'rate_limited' then (d.integration).rate_limited_until
        when 'no_budget' then now() + interval '1 minute'
        when 'claimed' then now() end,
      case d.gate when 'claimed' then now() + interval '30 seconds' end,
      case d.gate when 'claimed' then 1 else 0 end,
      case when d.gate = 'claimed' and d.category <> 'auth' then d.wanted else 0 end
    from gated d order by d.event_id
    on conflict (event_id) do nothing
    returning id, event_id, service_name, status, failure_category, confidence, action_taken
  ), audited as (
    insert into public.audit_log (subsystem, kind, actor, action, resource, result, payload)
    select 'self-heal', 'error', 'system', 'failure.reported', 'recovery:' || e.id, e.status, jsonb_build_object(
      'service_name', e.service_name, 'category', e.failure_category, 'confidence', e.confidence, 'action_taken', e.action_taken)
    from recorded e
  )
  select array_agg(e.event_id) into v_recorded from recorded e;

  if v_opened <> '{}' then
    -- A group was opened for nothing when another worker recorded the same events meanwhile.
    delete from public.failure_groups g
    where g.id = any (v_opened) and not exists (select from public.system_integrity_events e where e.group_id = g.id);
    perform private.tell_first_failures(v_opened);
  end if;
  for v_counted in
    select e.service_name, e.failure_category as category, sum(e.retry_tokens_held) as spent,
      max(e.next_retry_at) filter (where e.failure_category in ('rate_limit', 'network') and r.plan ->> 'step' = 'wait') as wait_until,
      count(*) filter (where e.failure_category <> 'rate_limit' and r.hold is not true and e.leased_until is null and e.status = 'pending'
        and (e.failure_category <> 'auth' or private.no_other_grant_works(e.service_name, e.user_id)))::integer as failures
    from unnest(p_reports) r
    join public.integrations_master i on i.service_name = r.service_name
    cross join lateral (select * from public.system_integrity_events e where e.event_id = r.event_id offset 0) e
    group by 1, 2 order by 1, 2
  loop
    perform private.spend_retry_tokens(v_counted.service_name, v_counted.spent) where v_counted.spent > 0;
    perform private.hold_rate_limit(v_counted.service_name, v_counted.wait_until) where v_counted.wait_until is not null;
    perform private.note_failures(v_counted.service_name, v_counted.category, v_counted.failures) where v_counted.failures > 0;
  end loop;
  return v_recorded;
end $$;
comment on function private.record_failures(private.failure_report[]) is
  'Stores reports whose event has no recovery yet (the caller holds the integrations'' locks), each in its final state: claimed for its reporter, scheduled, held, or left to people; returns the events it recorded.';

create function private.hold_rate_limit(p_service_name text, p_until timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  update public.integrations_master i set rate_limited_until = p_until
  where i.service_name = p_service_name and (i.rate_limited_until is null or i.rate_limited_until < p_until - interval '1 second');
end $$;
comment on function private.hold_rate_limit(text, timestamptz) is
  'Nothing of the service is repeated before p_until; a hold that is longer by less than a second is not worth a write.';

create function private.no_other_grant_works(p_service_name text, p_user_id uuid) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return not exists (
    select from public.user_integrations g
    where g.service_name = p_service_name and g.user_id is distinct from p_user_id
      and not g.needs_reauth and coalesce(g.consecutive_failures, 0) = 0 and g.access_token is not null);
end $$;
comment on function private.no_other_grant_works(text, uuid) is
  'False while some other user''s grant is healthy: then an auth failure is that user''s problem, not the integration''s.';

create function private.tell_first_failures(p_group_ids bigint[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_first record;
begin
  for v_first in
    select distinct on (g.id) g.id, e.*, exists (
      select from public.failure_groups p
      where p.service_name = g.service_name and p.failure_category = g.failure_category and p.fingerprint = g.fingerprint
        and p.closed_at > now() - interval '5 minutes') as again
    from public.failure_groups g join public.system_integrity_events e on e.group_id = g.id
    left join public.integration_events c on c.id = e.event_id
    where g.id = any (p_group_ids) and c.error_code is distinct from 'circuit_open' order by g.id, e.created_at
  loop
    -- A failure that was settled minutes ago is told only if it is still open after a minute.
    perform private.tell('failure', 'group:' || v_first.group_id || ':failure', private.failure_message(v_first.event_id),
      case when v_first.again then interval '1 minute' else interval '0' end);
    if v_first.leased_until is not null then
      perform private.tell('attempt', 'group:' || v_first.group_id || ':attempt', jsonb_build_object(
        'service_name', v_first.service_name, 'action_taken', v_first.action_taken, 'retry_count', v_first.attempts + 1,
        'error_message', v_first.failure_reason), case when v_first.again then interval '1 minute' else interval '0' end);
    end if;
  end loop;
end $$;
comment on function private.tell_first_failures(bigint[]) is 'Tells people of the first failure of each new group, and of the attempt that follows at once. Calls that a breaker held back are no news: people know why, and the calls follow.';

create function private.failure_message(p_event_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('service_name', e.service_name, 'category', e.failure_category, 'error_message', e.failure_reason,
    'action_taken', e.action_taken, 'status', e.status, 'event_id', e.event_id, 'created_at', e.created_at,
    'owner', e.analyzer_signals -> 'owner', 'advice', e.analyzer_signals -> 'advice')
  from public.system_integrity_events e where e.event_id = p_event_id;
$$;
comment on function private.failure_message(uuid) is 'The facts of a failure that people are told.';

create function private.work_items(p_recovery_ids uuid[], p_taken_over uuid[] default '{}') returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (select coalesce(jsonb_agg(jsonb_build_object(
    'recovery_id', e.id, 'event_id', e.event_id, 'service_name', e.service_name, 'user_id', e.user_id, 'category', e.failure_category,
    'epoch', e.epoch, 'attempts', e.attempts, 'taken_over', e.id = any (p_taken_over),
    'attempts_allowed', case when e.failure_category = 'auth' then 1 else greatest(1, e.retry_tokens_held) end,
    'probe', i.breaker_state = 'half_open', 'failure_reason', e.failure_reason, 'http_status', c.http_status, 'error_code', c.error_code,
    'created_at', e.created_at,
    'request', c.request, 'allowed_hosts', i.allowed_hosts, 'idempotency_header', i.idempotency_header,
    -- A call that does not say which token it used may have failed shortly before that token was replaced.
    'token_version', g.token_version, 'token_version_seen', coalesce(substring(c.request ->> 'token_version' from '^\d{1,9}$')::integer,
      g.token_version - coalesce(g.token_refreshed_at > coalesce(c.created_at, e.created_at) - interval '1 minute', false)::integer)
  ) order by e.next_retry_at, e.id), '[]')
  from public.system_integrity_events e
  join public.integrations_master i on i.service_name = e.service_name
  left join public.integration_events c on c.id = e.event_id
  left join lateral (
    select * from public.user_integrations u
    where u.service_name = e.service_name and (u.user_id = e.user_id or (u.user_id is null and e.user_id is null)) offset 0
  ) g on true
  where e.id = any (p_recovery_ids));
end $$;
comment on function private.work_items(uuid[], uuid[]) is
  'What a worker needs to recover claimed failures; those taken over may have been repeated by a worker that died.';

create function public.report_failures(p_reports jsonb) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_event_ids constant uuid[] := array(select (r ->> 'event_id')::uuid from jsonb_array_elements(p_reports) r);
  -- Read before the locks that other reporters wait for.
  v_reports constant private.failure_report[] := array(select first.report from (
    select distinct on (r.event_id) r as report
    from jsonb_array_elements(p_reports) with ordinality t (report, position), jsonb_populate_record(null::private.failure_report, t.report) r
    order by r.event_id, t.position
  ) first);
  v_locked bigint;
  v_known uuid[];
  v_new private.failure_report[];
  v_recorded uuid[];
begin
  perform from public.integrations_master i
  where i.service_name in (select r.service_name from unnest(v_reports) r) order by i.service_name for no key update;
  get diagnostics v_locked = row_count;
  if v_locked < cardinality(v_event_ids) then
    perform private.lock_unregistered(array(select r.service_name from unnest(v_reports) r));
  end if;
  v_known := array(select e.event_id from public.system_integrity_events e where e.event_id = any (v_event_ids));
  v_new := array(select r from unnest(v_reports) r where r.event_id <> all (v_known));
  if cardinality(v_new) > 0 then
    v_recorded := private.record_failures(v_new);
  end if;
  return (
    with recovery as materialized (
      select e.* from public.system_integrity_events e where e.event_id = any (v_event_ids)
    ), report as (
      select t.event_id, t.position, row_number() over (partition by t.event_id order by t.position) = 1 and t.event_id = any (v_recorded) as is_first
      from unnest(v_event_ids) with ordinality t (event_id, position)
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'event_id', e.event_id, 'recovery_id', e.id, 'category', e.failure_category, 'action_taken', e.action_taken, 'status', e.status,
      'next_retry_at', e.next_retry_at,
      'state', case when r.is_first then case when e.leased_until is null then 'recorded' else 'claimed' end
        when e.leased_until > now() then 'in_progress' else 'duplicate' end,
      'work', case when r.is_first and e.leased_until is not null then private.work_items(array[e.id]) -> 0 end) order by r.position), '[]')
    from report r join recovery e using (event_id));
end $$;
comment on function public.report_failures(jsonb) is
  'Takes classified failures, each event once, and answers in their order: what was recorded, and for those claimed the work to do now. Copies of an event get the first one''s answer.';

revoke execute on function private.open_groups(private.failure_report[]) from public, anon, authenticated, service_role;
revoke execute on function private.record_failures(private.failure_report[]) from public, anon, authenticated, service_role;
revoke execute on function private.hold_rate_limit(text, timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.no_other_grant_works(text, uuid) from public, anon, authenticated, service_role;
revoke execute on function private.tell_first_failures(bigint[]) from public, anon, authenticated, service_role;
revoke execute on function private.failure_message(uuid) from public, anon, authenticated, service_role;
revoke execute on function private.work_items(uuid[], uuid[]) from public, anon, authenticated, service_role;
revoke execute on function public.report_failures(jsonb) from public, anon, authenticated;
grant execute on function public.report_failures(jsonb) to service_role;
