-- What integration functions, the scan and people call around the loop.

create function public.begin_integration_call(p_service_name text, p_user_id uuid default null, p_method text default 'POST') returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_integration public.integrations_master;
  v_grant public.user_integrations;
  v_is_stopped constant boolean := upper(p_method) in ('GET', 'HEAD', 'OPTIONS') is not true and private.is_safe_mode();
  v_probe boolean := false;
begin
  select * into v_integration from public.integrations_master i where i.service_name = p_service_name;
  select * into v_grant from public.user_integrations g where g.service_name = p_service_name and (g.user_id = p_user_id or (g.user_id is null and p_user_id is null));
  if not v_is_stopped and v_integration.breaker_state <> 'closed' and v_integration.breaker_until <= now()
    and (v_integration.enabled or v_integration.disabled_by = 'self-heal')
  then
    update public.integrations_master i
    set (breaker_state, breaker_failures, breaker_trips, breaker_until) = (
      select b.state, b.failures, b.trips, b.until from private.breaker_step(
        (i.breaker_state, i.breaker_failures, i.breaker_trips, i.breaker_until)::private.breaker, 'probe', 1, now()) b)
    where i.service_name = p_service_name and i.breaker_state <> 'closed' and i.breaker_until <= now();
    v_probe := found;
  end if;
  return jsonb_build_object(
    'registered', v_integration.id is not null, 'probe', v_probe,
    'allowed', not v_is_stopped and (v_probe or v_integration.id is null or (v_integration.enabled and v_integration.breaker_state = 'closed')),
    'reason', case when v_is_stopped then 'safe_mode' when v_probe then null when not v_integration.enabled then 'disabled' when v_integration.breaker_state <> 'closed' then 'circuit_open' end,
    'retry_at', v_integration.breaker_until, 'allowed_hosts', coalesce(v_integration.allowed_hosts, '{}'),
    'idempotency_header', v_integration.idempotency_header,
    'grant', case when v_grant.id is not null then jsonb_build_object(
      'id', v_grant.id, 'access_token', v_grant.access_token, 'token_version', v_grant.token_version,
      'token_expires_at', v_grant.token_expires_at, 'has_refresh_token', v_grant.refresh_token is not null,
      'needs_reauth', v_grant.needs_reauth) end);
end $$;
comment on function public.begin_integration_call(text, uuid, text) is
  'Before a call: whether the breaker lets it pass (when its pause is over, one call as the probe), and the grant to make it with. In safe mode only methods that change nothing pass.';

create function public.record_integration_events(p_events jsonb) returns jsonb
language sql security definer set search_path = '' as $$
  with event as (
    select coalesce((t.event ->> 'id')::uuid, gen_random_uuid()) as id, t.event, t.position
    from jsonb_array_elements(p_events) with ordinality t (event, position)
  ), inserted as (
    insert into public.integration_events (id, service_name, user_id, event_type, status, error_code, error_message, http_status, duration_ms, payload, request)
    select e.id, e.event ->> 'service_name', (e.event ->> 'user_id')::uuid, e.event ->> 'event_type', e.event ->> 'status', e.event ->> 'error_code',
      e.event ->> 'error_message', (e.event ->> 'http_status')::integer, (e.event ->> 'duration_ms')::integer, nullif(e.event -> 'payload', 'null'), nullif(e.event -> 'request', 'null')
    from event e order by e.id
    on conflict (id) do nothing
  )
  select coalesce(jsonb_agg(e.id order by e.position), '[]') from event e;
$$;
comment on function public.record_integration_events(jsonb) is 'Stores calls of integrations, each id once, and returns the ids in order.';

-- Planned anew each time: the plan for a few minutes' events is not the one for all of them.
create function public.missed_events(p_window_minutes integer default 15, p_limit integer default 50) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
declare
  v_since timestamptz;
  v_events jsonb;
begin
  select least(now(), w.scanned_until) - make_interval(mins => p_window_minutes) into v_since from private.scan_watermark w;
  select coalesce(jsonb_agg(to_jsonb(e) order by e.created_at), '[]') into v_events
  from (
    select c.id, c.service_name, c.user_id, c.error_code, c.error_message, c.http_status, c.retry_count, c.payload, c.request, c.created_at
    from public.integration_events c
    where c.status = 'error' and c.service_name is not null and c.created_at > v_since
      and not exists (select from public.system_integrity_events e where e.event_id = c.id)
    order by c.created_at limit p_limit
  ) e;
  if jsonb_array_length(v_events) < p_limit then
    update private.scan_watermark set scanned_until = now();
  end if;
  return v_events;
end $$;
comment on function public.missed_events(integer, integer) is
  'Failed calls that nobody reported: of the last p_window_minutes, and of the time since the last scan when that came late.';

create function public.get_recoveries(p_event_ids uuid[]) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'event_id', e.event_id, 'recovery_id', e.id, 'category', e.failure_category, 'status', e.status, 'action_taken', e.action_taken,
    'next_retry_at', e.next_retry_at, 'in_progress', coalesce(e.leased_until > now(), false))), '[]')
  from public.system_integrity_events e where e.event_id = any (p_event_ids);
$$;
comment on function public.get_recoveries(uuid[]) is 'What became of failed events so far.';

create function public.save_llm_reasoning(p_recovery_id uuid, p_text text) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update public.system_integrity_events e set llm_reasoning = left(p_text, 4000), updated_at = now() where e.id = p_recovery_id;
  if found then
    perform private.audit('self-heal', 'language-model', 'failure.explained', 'recovery:' || p_recovery_id, 'stored');
  end if;
end $$;
comment on function public.save_llm_reasoning(uuid, text) is 'Keeps a language model''s explanation beside the failure, for people.';

create function public.resolve_recovery(p_recovery_id uuid, p_actor text default current_user) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_service text;
  v_group bigint;
begin
  select e.service_name into v_service from public.system_integrity_events e where e.id = p_recovery_id;
  perform from public.integrations_master i where i.service_name = v_service for no key update;
  if not found then
    perform private.lock_unregistered(array[v_service]);
  end if;
  update public.system_integrity_events e
  set status = 'resolved', resolved_at = now(), updated_at = now(), next_retry_at = null, leased_until = null, retry_tokens_held = 0, epoch = e.epoch + 1,
      action_taken = 'Resolved by ' || p_actor
  where e.id = p_recovery_id and e.status <> 'resolved' returning e.group_id into v_group;
  if not found then
    raise exception using errcode = 'PT404', hint = 'recovery.unknown',
      message = format('There is no open recovery "%s". Open ones are in system_integrity_events with status pending or disabled.', p_recovery_id);
  end if;
  perform private.audit('self-heal', p_actor, 'failure.resolved', 'recovery:' || p_recovery_id, 'resolved');
  perform private.close_groups(array[v_group], 'Resolved by ' || p_actor);
end $$;
comment on function public.resolve_recovery(uuid, text) is 'A person settles a failure.';

create function public.disable_integration(p_service_name text, p_reason text, p_actor text default current_user) returns void
language plpgsql security definer set search_path = '' as $$
begin
  if p_actor = 'self-heal' or coalesce(p_reason, '') = '' then
    raise exception using errcode = 'PT422', hint = 'integration.invalid_disable',
      message = 'Say who disables the integration (not self-heal) and why.';
  end if;
  update public.integrations_master i
  set enabled = false, disabled_reason = p_reason, disabled_at = now(), disabled_by = p_actor where i.service_name = p_service_name;
  if not found then
    raise exception using errcode = 'PT404', hint = 'integration.unknown', message = format('There is no integration "%s".', p_service_name);
  end if;
  update public.system_integrity_events e set status = 'disabled', updated_at = now() where e.service_name = p_service_name and e.status = 'pending';
  perform private.audit('self-heal', p_actor, 'integration.disabled', 'integration:' || p_service_name, 'disabled', jsonb_build_object('reason', p_reason), 'decision');
end $$;
comment on function public.disable_integration(text, text, text) is 'A person disables an integration; only a person enables it again.';

create function public.enable_integration(p_service_name text, p_actor text default current_user) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_before public.integrations_master;
begin
  select * into v_before from public.integrations_master i where i.service_name = p_service_name for no key update;
  if not found then
    raise exception using errcode = 'PT404', hint = 'integration.unknown', message = format('There is no integration "%s".', p_service_name);
  end if;
  update public.integrations_master i
  set enabled = true, disabled_reason = null, disabled_at = null, disabled_by = null, recovery_fail_count = 0,
      breaker_state = 'closed', breaker_failures = 0, breaker_trips = 0, breaker_until = null
  where i.service_name = p_service_name;
  delete from public.failure_streaks s where s.service_name = p_service_name;
  if not v_before.enabled then
    perform private.announce_enabled(v_before, p_actor);
  else
    perform private.release_held(p_service_name);
  end if;
end $$;
comment on function public.enable_integration(text, text) is 'A person enables an integration: counts start anew, held recoveries are due.';

revoke execute on function public.begin_integration_call(text, uuid, text) from public, anon, authenticated;
revoke execute on function public.record_integration_events(jsonb) from public, anon, authenticated;
revoke execute on function public.missed_events(integer, integer) from public, anon, authenticated;
revoke execute on function public.get_recoveries(uuid[]) from public, anon, authenticated;
revoke execute on function public.save_llm_reasoning(uuid, text) from public, anon, authenticated;
revoke execute on function public.resolve_recovery(uuid, text) from public, anon, authenticated;
revoke execute on function public.disable_integration(text, text, text) from public, anon, authenticated;
revoke execute on function public.enable_integration(text, text) from public, anon, authenticated;
grant execute on function public.begin_integration_call(text, uuid, text) to service_role;
grant execute on function public.record_integration_events(jsonb) to service_role;
grant execute on function public.missed_events(integer, integer) to service_role;
grant execute on function public.get_recoveries(uuid[]) to service_role;
grant execute on function public.save_llm_reasoning(uuid, text) to service_role;
grant execute on function public.resolve_recovery(uuid, text) to service_role;
grant execute on function public.disable_integration(text, text, text) to service_role;
grant execute on function public.enable_integration(text, text) to service_role;

insert into public.timers (name, schedule, command, description) values (
  'self-heal-due', '* * * * *',
  $$select private.invoke_function('integration-self-heal', '{"mode":"scan"}')
    where exists (select private.due_services()) or public.expiring_grants(1) <> '[]'
      or exists (select from private.scan_watermark w where w.scanned_until < now() - interval '15 minutes')$$,
  'Wakes the scan when a retry is due, a token is about to expire, or nobody has scanned for 15 minutes.'
);
