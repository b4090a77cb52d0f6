-- The loop around a failure: report, claim, finish.
-- Whoever changes what belongs to an integration locks the integration first, several in the order of their names; then
-- recoveries, then failure groups by service, category and fingerprint.
-- Plans are generic on purpose: with arrays as parameters Postgres would otherwise plan every call anew, which costs more than
-- the work itself; and as a plan may be made while the tables are still empty, it may not settle on reading them whole.

create domain private.plan_step as text not null constraint plan_step_is_known check (value in ('recover', 'wait', 'tell'));
comment on domain private.plan_step is 'Repeat the call now, wait for a stated time, or leave it to people.';
create domain private.recovery_outcome as text not null
  constraint recovery_outcome_is_known check (value in ('resolved', 'failed', 'waiting', 'gave_up'));
comment on domain private.recovery_outcome is 'How a try ended; waiting obeys the provider and is no failure.';

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
  v_opened bigint[];
  v_recorded uuid[];
  v_counted record;
begin
  insert into public.integration_events (id, service_name, user_id, event_type, status, error_code, error_message, http_status, retry_count, payload, request)
  select r.event_id, r.service_name, r.user_id, 'call.failed', 'error', r.error_code, r.error_message, r.http_status, r.retry_count, r.payload, r.request
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
        when 'held' then case when (d.integration).breaker_state = 'closed' then d.plan ->> 'action_taken' else 'Held by the circuit breaker' end
        when 'rate_limited' then 'Waiting for the provider''s rate limit'
        when 'no_budget' then 'Waiting for the retry budget'
        else d.plan ->> 'action_taken' end,
      case d.gate
        when 'disabled' then case when d.recoverable and d.step <> 'tell' then coalesce((d.integration).breaker_until, now() + interval '1 day') end
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
    insert into public.audit_log (subsystem, actor, action, resource, result, payload)
    select 'self-heal', 'system', 'failure.reported', 'recovery:' || e.id, e.status, jsonb_build_object(
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
    where g.id = any (p_group_ids) order by g.id, e.created_at
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
comment on function private.tell_first_failures(bigint[]) is 'Tells people of the first failure of each new group, and of the attempt that follows at once.';

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
    'fingerprint', e.fingerprint, 'epoch', e.epoch, 'attempts', e.attempts, 'taken_over', e.id = any (p_taken_over),
    'attempts_allowed', case when e.failure_category = 'auth' then 1 else greatest(1, e.retry_tokens_held) end,
    'probe', i.breaker_state = 'half_open', 'failure_reason', e.failure_reason, 'http_status', c.http_status, 'error_code', c.error_code,
    'refreshable', e.analyzer_signals -> 'refreshable', 'retry_count', c.retry_count, 'created_at', e.created_at,
    'request', c.request, 'allowed_hosts', i.allowed_hosts, 'idempotency_header', i.idempotency_header,
    'has_grant', g.id is not null, 'grant_id', g.id,
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
  v_known uuid[];
  v_new private.failure_report[];
  v_recorded uuid[];
begin
  perform from public.integrations_master i
  where i.service_name in (select r ->> 'service_name' from jsonb_array_elements(p_reports) r) order by i.service_name for no key update;
  v_known := array(select e.event_id from public.system_integrity_events e where e.event_id = any (v_event_ids));
  select array_agg(first.report) into v_new from (
    select distinct on (r.event_id) r as report
    from jsonb_array_elements(p_reports) with ordinality t (report, position), jsonb_populate_record(null::private.failure_report, t.report) r
    where r.event_id <> all (v_known) order by r.event_id, t.position
  ) first;
  if v_new is not null then
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

create function private.due_services() returns setof text
language sql stable set search_path = '' as $$
  select i.service_name from public.integrations_master i
  where i.auto_recovery_enabled and (i.enabled or i.disabled_by = 'self-heal')
    and (i.rate_limited_until is null or i.rate_limited_until <= now())
    and (i.breaker_state = 'closed' or i.breaker_until <= now())
    and exists (select from public.system_integrity_events e where e.service_name = i.service_name and e.next_retry_at <= now());
$$;
comment on function private.due_services() is 'Integrations that have something due and may be called now.';

create function public.claim_recoveries(p_limit integer, p_lease_seconds integer default 30) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_locked text[];
  v_claimed uuid[];
  v_taken_over uuid[];
begin
  select array_agg(locked.service_name) into v_locked from (
    select i.service_name from public.integrations_master i where i.service_name in (select private.due_services())
    order by i.service_name for no key update
  ) locked;

  -- A new statement sees what other workers claimed while the locks were awaited.
  with permitted as (
    select i.service_name, private.retry_tokens_now(i) as tokens, i.breaker_state <> 'closed' as is_probe,
      case when i.breaker_state <> 'closed' then 1 else least(p_limit, i.max_concurrent_recoveries - (
        select count(*) from public.system_integrity_events e where e.service_name = i.service_name and e.leased_until > now())) end as permits
    from public.integrations_master i where i.service_name = any (v_locked) and i.service_name in (select private.due_services())
  ), due as (
    select p.service_name, p.is_probe, p.tokens, d.id, d.spends, d.taken_over,
      sum(d.spends) over (partition by p.service_name order by d.next_retry_at, d.id) as spent
    from permitted p cross join lateral (
      select e.id, e.next_retry_at, (e.failure_category <> 'auth')::integer as spends, e.leased_until is not null as taken_over
      from public.system_integrity_events e
      where e.service_name = p.service_name and e.next_retry_at <= now() and (e.leased_until is null or e.leased_until <= now())
        and (p.is_probe or p.tokens >= 1 or e.failure_category = 'auth')
      order by e.next_retry_at limit greatest(0, p.permits) for update skip locked
    ) d
    limit p_limit
  ), chosen as (
    select due.* from due where due.is_probe or due.spent <= due.tokens or due.spends = 0
  ), claimed as (
    update public.system_integrity_events e
    set leased_until = now() + make_interval(secs => p_lease_seconds), epoch = e.epoch + 1, updated_at = now(),
        attempts = e.attempts + chosen.taken_over::integer,
        retry_tokens_held = case when chosen.is_probe then 0 else chosen.spends end
    from chosen where e.id = chosen.id and e.id = any (array(select c.id from chosen c))
    returning e.id, e.service_name, e.retry_tokens_held, chosen.taken_over
  ), spent as (
    update public.integrations_master i
    set retry_tokens = greatest(0, private.retry_tokens_now(i) - c.tokens), retry_tokens_at = now(),
        (breaker_state, breaker_failures, breaker_trips, breaker_until) = (
          select b.state, b.failures, b.trips, b.until from private.breaker_step(
            (i.breaker_state, i.breaker_failures, i.breaker_trips, i.breaker_until)::private.breaker, 'probe', 1, now()) b)
    from (select claimed.service_name, sum(claimed.retry_tokens_held) as tokens from claimed group by 1) c
    where i.service_name = c.service_name
  )
  select array_agg(c.id), array_agg(c.id) filter (where c.taken_over) into v_claimed, v_taken_over from claimed c;
  return private.work_items(v_claimed, coalesce(v_taken_over, '{}'));
end $$;
comment on function public.claim_recoveries(integer, integer) is
  'Leases due recoveries: per service as many as its concurrency, retry budget, rate limit and breaker permit (an open breaker that is due: one probe). Returns work items; one whose worker died counts that worker''s try.';

create function public.finish_recoveries(p_results jsonb) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_ids constant uuid[] := array(select (r ->> 'recovery_id')::uuid from jsonb_array_elements(p_results) r);
  v_finished jsonb;
  v_accepted uuid[];
  v_service record;
begin
  perform from public.integrations_master i
  where i.service_name in (select e.service_name from public.system_integrity_events e where e.id = any (v_ids))
  order by i.service_name for no key update;

  with result as (
    select * from jsonb_to_recordset(p_results) r (
      recovery_id uuid, epoch integer, outcome private.recovery_outcome, action_taken text, attempts integer, delay_seconds double precision,
      reached_provider boolean, after_refresh boolean, category text, http_status integer, error_code text, failure_reason text, signals jsonb)
  ), current as (
    select e.id, e.retry_tokens_held as held, e.failure_category as category, i.enabled, i.breaker_state
    from public.system_integrity_events e join result r on r.recovery_id = e.id
    left join public.integrations_master i on i.service_name = e.service_name
    where e.id = any (v_ids) and e.epoch = r.epoch and e.leased_until is not null
    order by e.id for update of e
  ), finished as (
    update public.system_integrity_events e
    set status = case when r.outcome = 'resolved' then 'resolved' when coalesce(c.enabled, true) then 'pending' else 'disabled' end,
        resolved_at = case when r.outcome = 'resolved' then clock_timestamp() end, updated_at = clock_timestamp(),
        attempts = e.attempts + case when r.outcome = 'waiting' then 0 else r.attempts end,
        action_taken = r.action_taken, failure_reason = coalesce(r.failure_reason, e.failure_reason),
        failure_category = coalesce(r.category, e.failure_category),
        analyzer_signals = coalesce(r.signals, e.analyzer_signals),
        next_retry_at = case when r.outcome in ('failed', 'waiting') then clock_timestamp() + make_interval(secs => r.delay_seconds) end,
        leased_until = null, retry_tokens_held = 0
    from result r join current c on c.id = r.recovery_id
    where e.id = r.recovery_id and e.id = any (v_ids)
    returning e.id, e.event_id, e.group_id, e.service_name, e.user_id, e.status, e.failure_category, e.action_taken, e.next_retry_at,
      r.outcome, r.attempts, r.reached_provider, coalesce(r.after_refresh, false) as after_refresh, r.http_status,
      case when r.outcome = 'resolved' then c.held else greatest(0, c.held - r.attempts) end as unspent,
      coalesce(r.attempts = 0 and r.outcome <> 'resolved' and c.breaker_state = 'half_open', false) as unsent_probe
  ), audited as (
    insert into public.audit_log (subsystem, actor, action, resource, result, payload)
    select 'self-heal', 'system', 'recovery.attempted', 'recovery:' || f.id, f.outcome, jsonb_build_object(
      'service_name', f.service_name, 'category', f.failure_category, 'action_taken', f.action_taken, 'attempts', f.attempts, 'http_status', f.http_status)
    from finished f
  ), called as (
    update public.integration_events c
    set retry_count = coalesce(c.retry_count, 0) + f.attempts, status = case when f.outcome = 'resolved' then 'success' else c.status end
    from finished f where c.id = f.event_id
  )
  select jsonb_agg(to_jsonb(f)), array_agg(f.id) into v_finished, v_accepted from finished f;

  for v_service in
    select f.service_name, f.failure_category as category, max(f.next_retry_at) filter (where f.outcome = 'waiting') as wait_until,
      sum(f.unspent) as unspent,
      bool_or(f.unsent_probe) as unsent_probe,
      count(*) filter (where f.outcome in ('failed', 'gave_up') and f.failure_category <> 'rate_limit' and not f.unsent_probe
        and (f.failure_category <> 'auth' or private.no_other_grant_works(f.service_name, f.user_id)))::integer as failures
    from jsonb_to_recordset(v_finished) f (service_name text, user_id uuid, failure_category text, next_retry_at timestamptz, outcome text, unspent integer,
      unsent_probe boolean)
    group by 1, 2 order by 1, 2
  loop
    perform private.spend_retry_tokens(v_service.service_name, -v_service.unspent) where v_service.unspent > 0;
    if v_service.category in ('rate_limit', 'network') then
      perform private.hold_rate_limit(v_service.service_name, v_service.wait_until) where v_service.wait_until is not null;
    end if;
    if v_service.failures > 0 then
      perform private.note_failures(v_service.service_name, v_service.category, v_service.failures);
    end if;
    if v_service.unsent_probe then
      -- It told nothing about the provider: the next one may pass at once.
      update public.integrations_master i set breaker_until = now() where i.service_name = v_service.service_name and i.breaker_state = 'half_open';
    end if;
  end loop;

  perform private.settle_grants(v_finished);
  perform private.tell_unrecovered(v_finished);
  for v_service in
    select distinct f.service_name, f.user_id
    from jsonb_to_recordset(v_finished) f (service_name text, user_id uuid, outcome text, reached_provider boolean)
    where f.outcome = 'resolved' and f.reached_provider order by 1, 2
  loop
    perform private.note_success(v_service.service_name, v_service.user_id);
  end loop;
  for v_service in
    select f.action_taken, array_agg(distinct f.group_id) as groups
    from jsonb_to_recordset(v_finished) f (group_id bigint, outcome text, action_taken text) where f.outcome = 'resolved' group by 1 order by 1
  loop
    perform private.close_groups(v_service.groups, v_service.action_taken);
  end loop;

  return coalesce((
    select jsonb_agg(jsonb_build_object(
      'recovery_id', r.recovery_id, 'event_id', e.event_id, 'service_name', e.service_name, 'category', e.failure_category,
      'accepted', coalesce(r.recovery_id = any (v_accepted), false),
      'status', e.status, 'action_taken', e.action_taken, 'next_retry_at', e.next_retry_at) order by r.position)
    from unnest(v_ids) with ordinality r (recovery_id, position)
    left join (select * from public.system_integrity_events e where e.id = any (v_ids)) e on e.id = r.recovery_id), '[]');
end $$;
comment on function public.finish_recoveries(jsonb) is
  'Stores the outcomes of leased recoveries (a stale epoch is refused: accepted false) with all that follows: budget, breaker, streaks, grants, groups, messages, audit.';

create function private.settle_grants(p_finished jsonb) returns void
language sql set search_path = '' as $$
  update public.user_integrations g
  set consecutive_failures = case when f.resolved then 0 else coalesce(g.consecutive_failures, 0) + 1 end,
      last_error_at = case when f.resolved then g.last_error_at else now() end,
      needs_reauth = g.needs_reauth or coalesce(not f.resolved and coalesce(g.consecutive_failures, 0) + 1 >= (
        select t.max_consecutive from public.recovery_thresholds t where t.failure_category = 'auth'), false)
  from (
    select r.service_name, r.user_id, bool_or(r.outcome = 'resolved') as resolved
    from jsonb_to_recordset(p_finished) r (service_name text, user_id uuid, outcome text, failure_category text, after_refresh boolean)
    where r.outcome = 'resolved' or (r.after_refresh and r.outcome in ('failed', 'gave_up') and r.failure_category = 'auth')
    group by 1, 2
  ) f
  cross join lateral (
    select u.id from public.user_integrations u
    where u.service_name = f.service_name and (u.user_id = f.user_id or (u.user_id is null and f.user_id is null)) offset 0
  ) owned
  where g.id = owned.id and (not f.resolved or g.consecutive_failures > 0);
$$;
comment on function private.settle_grants(jsonb) is
  'A grant that failed although its token was fresh is counted, and needs a new consent at the auth threshold; a success ends the count.';

create function private.tell_unrecovered(p_finished jsonb) returns void
language sql set search_path = '' as $$
  select private.tell('failure', 'group:' || f.group_id || case when f.after_refresh then ':after_refresh' else ':unrecovered' end,
    private.failure_message((array_agg(f.event_id))[1]))
  from jsonb_to_recordset(p_finished) f (group_id bigint, event_id uuid, outcome text, next_retry_at timestamptz, after_refresh boolean)
  where f.outcome = 'gave_up' or (f.outcome = 'failed' and (f.next_retry_at is null or f.after_refresh))
  group by f.group_id, f.after_refresh;
$$;
comment on function private.tell_unrecovered(jsonb) is 'People must act: tells them once per group that healing failed, for good or after a token refresh.';

revoke execute on function private.open_groups(private.failure_report[]) from public, anon, authenticated, service_role;
revoke execute on function private.record_failures(private.failure_report[]) from public, anon, authenticated, service_role;
revoke execute on function private.hold_rate_limit(text, timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.no_other_grant_works(text, uuid) from public, anon, authenticated, service_role;
revoke execute on function private.tell_first_failures(bigint[]) from public, anon, authenticated, service_role;
revoke execute on function private.failure_message(uuid) from public, anon, authenticated, service_role;
revoke execute on function private.work_items(uuid[], uuid[]) from public, anon, authenticated, service_role;
revoke execute on function private.settle_grants(jsonb) from public, anon, authenticated, service_role;
revoke execute on function private.tell_unrecovered(jsonb) from public, anon, authenticated, service_role;
revoke execute on function private.due_services() from public, anon, authenticated, service_role;
revoke execute on function public.report_failures(jsonb) from public, anon, authenticated;
revoke execute on function public.claim_recoveries(integer, integer) from public, anon, authenticated;
revoke execute on function public.finish_recoveries(jsonb) from public, anon, authenticated;
grant execute on function public.report_failures(jsonb) to service_role;
grant execute on function public.claim_recoveries(integer, integer) to service_role;
grant execute on function public.finish_recoveries(jsonb) to service_role;
