-- The loop around a recorded failure: claim, finish. Locks and plans are as for reports.

create domain private.recovery_outcome as text not null
  constraint recovery_outcome_is_known check (value in ('resolved', 'failed', 'waiting', 'held', 'gave_up'));
comment on domain private.recovery_outcome is 'How a try ended; waiting obeys the provider, held the mode of the platform, and neither is a failure.';

create type private.finished_recovery as (
  id uuid, event_id uuid, group_id bigint, service_name text, user_id uuid, status text, failure_category text, action_taken text,
  next_retry_at timestamptz, outcome text, attempts integer, reached_provider boolean, after_refresh boolean, http_status integer,
  unspent integer, unsent_probe boolean
);
comment on type private.finished_recovery is 'A recovery whose result was stored, and what follows from it.';

create function private.due_services() returns setof text
language plpgsql stable set search_path = '' as $$
begin
  if private.is_safe_mode() then
    return;
  end if;
  return query select i.service_name from public.integrations_master i
  where i.auto_recovery_enabled and (i.enabled or i.disabled_by = 'self-heal')
    and (i.rate_limited_until is null or i.rate_limited_until <= now())
    and (i.breaker_state = 'closed' or i.breaker_until <= now())
    and exists (select from public.system_integrity_events e where e.service_name = i.service_name and e.next_retry_at <= now());
end $$;
comment on function private.due_services() is 'Integrations that have something due and may be called now; none in safe mode.';

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
  'Leases due recoveries: per service as many as its concurrency, retry budget, rate limit and breaker permit (an open breaker that is due: one probe), none in safe mode. Returns work items; one whose worker died counts that worker''s try.';

create function public.finish_recoveries(p_results jsonb) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_ids constant uuid[] := array(select (r ->> 'recovery_id')::uuid from jsonb_array_elements(p_results) r);
  v_finished private.finished_recovery[];
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
        next_retry_at = case when r.outcome in ('failed', 'waiting', 'held') then clock_timestamp() + make_interval(secs => r.delay_seconds) end,
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
  select array_agg(row(f.*)::private.finished_recovery) into v_finished from finished f;

  perform private.settle_services(v_finished);
  perform private.settle_grants(v_finished);
  perform private.tell_unrecovered(v_finished);
  perform private.settle_successes(v_finished);

  return coalesce((
    select jsonb_agg(jsonb_build_object(
      'recovery_id', r.recovery_id, 'event_id', e.event_id, 'service_name', e.service_name, 'category', e.failure_category,
      'accepted', f.id is not null,
      'status', e.status, 'action_taken', e.action_taken, 'next_retry_at', e.next_retry_at) order by r.position)
    from unnest(v_ids) with ordinality r (recovery_id, position)
    left join (select * from public.system_integrity_events e where e.id = any (v_ids)) e on e.id = r.recovery_id
    left join unnest(v_finished) f on f.id = r.recovery_id), '[]');
end $$;
comment on function public.finish_recoveries(jsonb) is
  'Stores the outcomes of leased recoveries (a stale epoch is refused: accepted false) with all that follows: budget, breaker, streaks, grants, groups, messages, audit.';

create function private.settle_services(p_finished private.finished_recovery[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_service record;
begin
  for v_service in
    select f.service_name, f.failure_category as category, max(f.next_retry_at) filter (where f.outcome = 'waiting') as wait_until,
      sum(f.unspent) as unspent,
      bool_or(f.unsent_probe) as unsent_probe,
      count(*) filter (where f.outcome in ('failed', 'gave_up') and f.failure_category <> 'rate_limit' and not f.unsent_probe
        and (f.failure_category <> 'auth' or private.no_other_grant_works(f.service_name, f.user_id)))::integer as failures
    from unnest(p_finished) f
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
end $$;
comment on function private.settle_services(private.finished_recovery[]) is 'Gives unused retries back, keeps the pauses that providers asked for, and counts failures in breaker and streaks.';

create function private.settle_successes(p_finished private.finished_recovery[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_service record;
begin
  for v_service in
    select distinct f.service_name, f.user_id
    from unnest(p_finished) f
    where f.outcome = 'resolved' and f.reached_provider order by 1, 2
  loop
    perform private.note_success(v_service.service_name, v_service.user_id);
  end loop;
  for v_service in
    select f.action_taken, array_agg(distinct f.group_id) as groups
    from unnest(p_finished) f where f.outcome = 'resolved' group by 1 order by 1
  loop
    perform private.close_groups(v_service.groups, v_service.action_taken);
  end loop;
end $$;
comment on function private.settle_successes(private.finished_recovery[]) is 'A resolved recovery that reached its provider counts as a successful call; groups in which nothing is open any more are closed.';

create function private.settle_grants(p_finished private.finished_recovery[]) returns void
language plpgsql set search_path = '' as $$
begin
  update public.user_integrations g
  set consecutive_failures = case when f.resolved then 0 else coalesce(g.consecutive_failures, 0) + 1 end,
      last_error_at = case when f.resolved then g.last_error_at else now() end,
      needs_reauth = g.needs_reauth or coalesce(not f.resolved and coalesce(g.consecutive_failures, 0) + 1 >= (
        select t.max_consecutive from public.recovery_thresholds t where t.failure_category = 'auth'), false)
  from (
    select r.service_name, r.user_id, bool_or(r.outcome = 'resolved') as resolved
    from unnest(p_finished) r
    where r.outcome = 'resolved' or (r.after_refresh and r.outcome in ('failed', 'gave_up') and r.failure_category = 'auth')
    group by 1, 2
  ) f
  cross join lateral (
    select u.id from public.user_integrations u
    where u.service_name = f.service_name and (u.user_id = f.user_id or (u.user_id is null and f.user_id is null)) offset 0
  ) owned
  where g.id = owned.id and (not f.resolved or g.consecutive_failures > 0);
end $$;
comment on function private.settle_grants(private.finished_recovery[]) is
  'A grant that failed although its token was fresh is counted, and needs a new consent at the auth threshold; a success ends the count.';

create function private.tell_unrecovered(p_finished private.finished_recovery[]) returns void
language plpgsql set search_path = '' as $$
begin
  perform private.tell('failure', 'group:' || f.group_id || case when f.after_refresh then ':after_refresh' else ':unrecovered' end,
    private.failure_message((array_agg(f.event_id))[1]))
  from unnest(p_finished) f
  where f.outcome = 'gave_up' or (f.outcome = 'failed' and (f.next_retry_at is null or f.after_refresh))
  group by f.group_id, f.after_refresh;
end $$;
comment on function private.tell_unrecovered(private.finished_recovery[]) is 'People must act: tells them once per group that healing failed, for good or after a token refresh.';

revoke execute on function private.settle_services(private.finished_recovery[]) from public, anon, authenticated, service_role;
revoke execute on function private.settle_successes(private.finished_recovery[]) from public, anon, authenticated, service_role;
revoke execute on function private.settle_grants(private.finished_recovery[]) from public, anon, authenticated, service_role;
revoke execute on function private.tell_unrecovered(private.finished_recovery[]) from public, anon, authenticated, service_role;
revoke execute on function private.due_services() from public, anon, authenticated, service_role;
revoke execute on function public.claim_recoveries(integer, integer) from public, anon, authenticated;
revoke execute on function public.finish_recoveries(jsonb) from public, anon, authenticated;
grant execute on function public.claim_recoveries(integer, integer) to service_role;
grant execute on function public.finish_recoveries(jsonb) to service_role;
