-- The integrations: where they may be reached, and the guardrails that keep healing from doing harm.
-- Works on a project that already has integrations_master: what is missing is added.

create table if not exists public.integrations_master (id uuid primary key default gen_random_uuid());
alter table public.integrations_master
  add column if not exists service_name text,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists oauth_config jsonb,
  add column if not exists recovery_fail_count integer default 0,
  add column if not exists last_recovery_at timestamptz,
  add column if not exists auto_recovery_enabled boolean default true,
  add column if not exists allowed_hosts text[] not null default '{}',
  add column if not exists idempotency_header text,
  add column if not exists enabled boolean not null default true,
  add column if not exists disabled_reason text,
  add column if not exists disabled_at timestamptz,
  add column if not exists disabled_by text,
  add column if not exists breaker_state text not null default 'closed',
  add column if not exists breaker_failures integer not null default 0,
  add column if not exists breaker_trips integer not null default 0,
  add column if not exists breaker_until timestamptz,
  add column if not exists rate_limited_until timestamptz,
  add column if not exists retry_budget_capacity integer not null default 10,
  add column if not exists retry_tokens double precision not null default 10,
  add column if not exists retry_tokens_at timestamptz not null default now(),
  add column if not exists max_concurrent_recoveries integer not null default 10,
  add constraint integration_has_a_service_name check (service_name is not null) not valid,
  add constraint breaker_state_is_known check (breaker_state in ('closed', 'open', 'half_open')),
  add constraint breaker_that_is_not_closed_has_a_time check (breaker_state = 'closed' or breaker_until is not null),
  add constraint disabled_integration_says_why check (enabled or (disabled_reason is not null and disabled_by is not null)),
  add constraint retry_budget_is_not_negative check (retry_budget_capacity >= 0 and retry_tokens >= 0),
  add constraint oauth_client_secret_is_encrypted check (
    oauth_config ->> 'client_secret' is null or oauth_config ->> 'client_secret' ~ '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$') not valid;
create unique index if not exists integrations_master_service_name_key on public.integrations_master (service_name);

comment on table public.integrations_master is 'One row per integration: its OAuth client, allowed hosts, circuit breaker and retry budget.';
comment on column public.integrations_master.id is 'Identity; part of the encrypted client secret''s associated data.';
comment on column public.integrations_master.service_name is 'The name that failure reports carry, for example slack.';
comment on column public.integrations_master.created_at is 'When it was registered.';
comment on column public.integrations_master.oauth_config is '{token_url, client_id, client_secret (encrypted), scopes}.';
comment on column public.integrations_master.recovery_fail_count is 'Failures since the last success, of any category.';
comment on column public.integrations_master.last_recovery_at is 'When a recovery last ended, well or not.';
comment on column public.integrations_master.auto_recovery_enabled is 'False: failures are recorded and told, nothing is repeated.';
comment on column public.integrations_master.allowed_hosts is 'Exact host names that requests may be repeated to and tokens refreshed at.';
comment on column public.integrations_master.idempotency_header is 'Header by which the provider recognises a repeated request, for example Idempotency-Key; null when it has none.';
comment on column public.integrations_master.enabled is 'False: calls are held back and nothing is repeated, except for probes.';
comment on column public.integrations_master.disabled_reason is 'Why it is disabled.';
comment on column public.integrations_master.disabled_at is 'Since when it is disabled.';
comment on column public.integrations_master.disabled_by is 'self-heal (comes back by itself), or the person that disabled it.';
comment on column public.integrations_master.breaker_state is 'closed: calls pass; open: none until breaker_until; half_open: one probe is under way.';
comment on column public.integrations_master.breaker_failures is 'Provider failures in a row while closed.';
comment on column public.integrations_master.breaker_trips is 'How often it opened since it was last closed; doubles the cool-down.';
comment on column public.integrations_master.breaker_until is 'open: when a probe may pass; half_open: when the probe counts as lost.';
comment on column public.integrations_master.rate_limited_until is 'The provider asked for a pause; nothing is repeated before.';
comment on column public.integrations_master.retry_budget_capacity is 'Most retries that may be saved up.';
comment on column public.integrations_master.retry_tokens is 'Retries left at retry_tokens_at; each call adds 0.1, each minute adds 1.';
comment on column public.integrations_master.retry_tokens_at is 'When retry_tokens was counted.';
comment on column public.integrations_master.max_concurrent_recoveries is 'How many recoveries a scan runs at once.';
comment on index public.integrations_master_service_name_key is 'One integration per service name.';

alter table public.integrations_master enable row level security;
revoke all on public.integrations_master from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.integrations_master to service_role;

create table public.recovery_thresholds (
  failure_category text primary key,
  max_consecutive integer,
  window_minutes integer not null,
  constraint failure_category_is_known check (failure_category in ('auth', 'rate_limit', 'network', 'data', 'unknown')),
  constraint thresholds_are_positive check (max_consecutive > 0 and window_minutes > 0)
);
comment on table public.recovery_thresholds is 'How many failures in a row, within how many minutes, disable an integration.';
comment on column public.recovery_thresholds.failure_category is 'What kind of failure is counted.';
comment on column public.recovery_thresholds.max_consecutive is 'The count that disables; null: never.';
comment on column public.recovery_thresholds.window_minutes is 'A row of failures that began longer ago starts anew.';
insert into public.recovery_thresholds values
  ('auth', 3, 60), ('rate_limit', null, 60), ('network', 9, 60), ('data', 5, 60), ('unknown', 5, 60);

create table public.failure_streaks (
  service_name text not null references public.integrations_master (service_name) on delete cascade on update cascade,
  failure_category text not null references public.recovery_thresholds (failure_category),
  failures integer not null,
  started_at timestamptz not null default now(),
  primary key (service_name, failure_category)
);
comment on table public.failure_streaks is 'Failures in a row per integration and category; a success of the service deletes them.';
comment on column public.failure_streaks.service_name is 'The integration.';
comment on column public.failure_streaks.failure_category is 'The kind of failure.';
comment on column public.failure_streaks.failures is 'How many in a row.';
comment on column public.failure_streaks.started_at is 'When the first of them happened.';
create index failure_streaks_failure_category_idx on public.failure_streaks (failure_category);
comment on index public.failure_streaks_failure_category_idx is 'For the foreign key.';

alter table public.recovery_thresholds enable row level security;
alter table public.failure_streaks enable row level security;
revoke all on public.recovery_thresholds, public.failure_streaks from public, anon, authenticated, service_role;
grant select on public.recovery_thresholds, public.failure_streaks to service_role;

insert into public.settings (name, value, description) values
  ('max_auto_disabled_share', '0.5', 'Largest share of all integrations (0 to 1) that self-healing may hold disabled at once; one is always allowed.');

-- The circuit breaker: a row stepped by a pure function.

create type private.breaker as (state text, failures integer, trips integer, until timestamptz);
comment on type private.breaker is 'State of a circuit breaker, as stored in integrations_master.breaker_*.';

create function private.breaker_cooldown(p_trips integer) returns interval
language sql immutable set search_path = '' as $$
  select least(interval '30 seconds' * power(2, least(p_trips, 10) - 1), interval '15 minutes');
$$;
comment on function private.breaker_cooldown(integer) is 'Pause after the n-th opening in a row: 30 s, doubled each time, at most 15 minutes.';

create function private.breaker_step(p_breaker private.breaker, p_event text, p_count integer, p_at timestamptz)
returns private.breaker
language plpgsql immutable set search_path = '' as $$
declare
  v_threshold constant integer := 5;
  v_probe_lease constant interval := interval '1 minute';
begin
  case p_event
    when 'success' then
      return ('closed', 0, 0, null)::private.breaker;
    when 'failure' then
      if p_breaker.state = 'closed' and p_breaker.failures + p_count < v_threshold then
        return ('closed', p_breaker.failures + p_count, 0, null)::private.breaker;
      elsif p_breaker.state = 'open' then
        return p_breaker;
      end if;
      return ('open', 0, p_breaker.trips + 1, p_at + private.breaker_cooldown(p_breaker.trips + 1))::private.breaker;
    when 'probe' then
      if p_breaker.state <> 'closed' and p_breaker.until <= p_at then
        return ('half_open', 0, p_breaker.trips, p_at + v_probe_lease)::private.breaker;
      end if;
    when 'disable' then
      return ('open', 0, 6, p_at + private.breaker_cooldown(6))::private.breaker;
    when 'none' then
  end case;
  return p_breaker;
end $$;
comment on function private.breaker_step(private.breaker, text, integer, timestamptz) is
  'The next state of a breaker after success, failure (p_count of them), probe, disable or none: opens after 5 failures in a row, lets one probe pass after the cool-down, closes on success.';

create function private.retry_tokens_now(p_integration public.integrations_master) returns double precision
language plpgsql stable set search_path = '' as $$
begin
  return least(
    p_integration.retry_budget_capacity,
    p_integration.retry_tokens + greatest(0, extract(epoch from now() - p_integration.retry_tokens_at)) / 60);
end $$;
comment on function private.retry_tokens_now(public.integrations_master) is
  'Retries an integration has left: what is stored plus one a minute, at most its capacity.';

create function private.spend_retry_tokens(p_service_name text, p_tokens double precision) returns void
language plpgsql set search_path = '' as $$
begin
  update public.integrations_master i
  set retry_tokens = greatest(0, least(i.retry_budget_capacity, private.retry_tokens_now(i) - p_tokens)), retry_tokens_at = now()
  where i.service_name = p_service_name;
end $$;
comment on function private.spend_retry_tokens(text, double precision) is 'Takes retries from an integration''s budget; a negative number gives back.';

create function private.disable_automatically(p_service_name text, p_category text, p_failures integer) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_reason constant text := format('%s %s failures in a row', p_failures, p_category);
  v_allowed bigint;
  v_disabled bigint;
begin
  perform pg_advisory_xact_lock(hashtext('self-heal.disable_automatically'));
  select greatest(1, floor(count(*) * (private.setting('max_auto_disabled_share'))::numeric))::bigint,
         count(*) filter (where not enabled and disabled_by = 'self-heal')
  into v_allowed, v_disabled from public.integrations_master;
  if v_disabled >= v_allowed then
    perform private.audit('self-heal', 'system', 'integration.disable_withheld', 'integration:' || p_service_name, 'withheld',
      jsonb_build_object('reason', v_reason, 'disabled', v_disabled, 'allowed', v_allowed), 'decision');
    return false;
  end if;
  update public.integrations_master i
  set enabled = false, disabled_reason = v_reason, disabled_at = now(), disabled_by = 'self-heal',
      (breaker_state, breaker_failures, breaker_trips, breaker_until) = (
        select b.state, b.failures, b.trips, b.until
        from private.breaker_step((i.breaker_state, i.breaker_failures, i.breaker_trips, i.breaker_until)::private.breaker, 'disable', 1, now()) b)
  where i.service_name = p_service_name;
  update public.system_integrity_events e set status = 'disabled', updated_at = now()
  where e.service_name = p_service_name and e.status = 'pending';
  perform private.audit('self-heal', 'system', 'integration.disabled', 'integration:' || p_service_name, 'disabled',
    jsonb_build_object('reason', v_reason), 'decision');
  perform private.tell('disabled', format('disabled:%s:%s', p_service_name, extract(epoch from now())), jsonb_build_object(
    'service_name', p_service_name, 'failure_reason', v_reason, 'consecutive_failures', p_failures));
  return true;
end $$;
comment on function private.disable_automatically(text, text, integer) is
  'Disables an integration and tells people, unless too large a share of all integrations is disabled already; returns whether it did.';

create function private.note_failures(p_service_name text, p_category text, p_count integer) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_threshold public.recovery_thresholds;
  v_failures integer;
  v_after record;
begin
  update public.integrations_master i
  set recovery_fail_count = coalesce(i.recovery_fail_count, 0) + p_count, last_recovery_at = now(),
      (breaker_state, breaker_failures, breaker_trips, breaker_until) = (
        select b.state, b.failures, b.trips, b.until
        from private.breaker_step(
          (i.breaker_state, i.breaker_failures, i.breaker_trips, i.breaker_until)::private.breaker,
          case when p_category = 'network' or not i.enabled then 'failure' when p_category = 'unknown' then 'none' else 'success' end,
          p_count, now()) b)
  from public.integrations_master before
  where i.service_name = p_service_name and before.service_name = p_service_name
  returning i.breaker_trips > before.breaker_trips as opened, i.breaker_trips, i.breaker_until into v_after;
  if not found then
    return false;
  elsif v_after.opened then
    perform private.audit('self-heal', 'system', 'breaker.opened', 'integration:' || p_service_name, 'open',
      jsonb_build_object('category', p_category, 'trips', v_after.breaker_trips, 'until', v_after.breaker_until), 'decision');
  end if;
  select t.* into v_threshold from public.recovery_thresholds t where t.failure_category = p_category;
  insert into public.failure_streaks as s (service_name, failure_category, failures)
  values (p_service_name, p_category, p_count)
  on conflict (service_name, failure_category) do update
  set failures = case when s.started_at > now() - make_interval(mins => v_threshold.window_minutes) then s.failures + p_count else p_count end,
      started_at = case when s.started_at > now() - make_interval(mins => v_threshold.window_minutes) then s.started_at else now() end
  returning s.failures into v_failures;
  -- Where disabling was withheld, it is tried again at every further multiple of the threshold.
  if v_threshold.max_consecutive is null or v_failures / v_threshold.max_consecutive = (v_failures - p_count) / v_threshold.max_consecutive
    or not (select i.enabled from public.integrations_master i where i.service_name = p_service_name) then
    return false;
  end if;
  return private.disable_automatically(p_service_name, p_category, v_failures);
end $$;
comment on function private.note_failures(text, text, integer) is
  'Counts failures of an integration: breaker, streak, and the threshold that disables it; returns whether it was disabled now. A failure that proves the provider answers closes the breaker.';

revoke execute on function private.breaker_cooldown(integer) from public, anon, authenticated, service_role;
revoke execute on function private.breaker_step(private.breaker, text, integer, timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.retry_tokens_now(public.integrations_master) from public, anon, authenticated, service_role;
revoke execute on function private.spend_retry_tokens(text, double precision) from public, anon, authenticated, service_role;
revoke execute on function private.disable_automatically(text, text, integer) from public, anon, authenticated, service_role;
revoke execute on function private.note_failures(text, text, integer) from public, anon, authenticated, service_role;
