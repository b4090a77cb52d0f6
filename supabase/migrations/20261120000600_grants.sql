-- OAuth grants of users: tokens encrypted at rest, refreshed by one worker at a time.
-- Works on a project that already has user_integrations: what is missing is added.

create table if not exists public.user_integrations (id uuid primary key default gen_random_uuid());
alter table public.user_integrations
  add column if not exists user_id uuid,
  add column if not exists service_name text,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists access_token text,
  add column if not exists refresh_token text,
  add column if not exists token_expires_at timestamptz,
  add column if not exists token_refreshed_at timestamptz,
  add column if not exists token_version integer not null default 0,
  add column if not exists last_error_at timestamptz,
  add column if not exists consecutive_failures integer default 0,
  add column if not exists needs_reauth boolean not null default false,
  add column if not exists refresh_leased_until timestamptz,
  add column if not exists refresh_epoch integer not null default 0,
  add column if not exists refresh_not_before timestamptz,
  add constraint access_token_is_encrypted check (
    access_token ~ '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$') not valid,
  add constraint refresh_token_is_encrypted check (
    refresh_token ~ '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$') not valid;
create unique index if not exists user_integrations_service_name_user_id_key
  on public.user_integrations (service_name, user_id) nulls not distinct where service_name is not null;
create index if not exists user_integrations_token_expires_at_idx
  on public.user_integrations (token_expires_at) where refresh_token is not null and not needs_reauth;

comment on table public.user_integrations is 'A user''s (or, without user, the project''s) OAuth grant at a service. Only service_role reads or writes it.';
comment on column public.user_integrations.id is 'Identity; part of the encrypted tokens'' associated data.';
comment on column public.user_integrations.user_id is 'Whose grant it is; null: the project''s own.';
comment on column public.user_integrations.service_name is 'The integration it belongs to.';
comment on column public.user_integrations.created_at is 'When the user connected.';
comment on column public.user_integrations.access_token is 'Encrypted (JWE, A256GCM), bound to this row and column.';
comment on column public.user_integrations.refresh_token is 'Encrypted (JWE, A256GCM), bound to this row and column.';
comment on column public.user_integrations.token_expires_at is 'When the access token expires, as the provider said; null: unknown.';
comment on column public.user_integrations.token_refreshed_at is 'When the tokens were last replaced.';
comment on column public.user_integrations.token_version is 'Grows with every new pair of tokens; refreshes are compare-and-swap on it.';
comment on column public.user_integrations.last_error_at is 'When a refresh or an authenticated call last failed.';
comment on column public.user_integrations.consecutive_failures is 'Failures of this grant since its last success.';
comment on column public.user_integrations.needs_reauth is 'True: the provider refused the grant for good; the user must connect again.';
comment on column public.user_integrations.refresh_leased_until is 'Until then one worker refreshes this grant.';
comment on column public.user_integrations.refresh_epoch is 'Fencing token of the refresh lease.';
comment on column public.user_integrations.refresh_not_before is 'No refresh is tried before: the last one failed or its outcome is unknown.';
comment on index public.user_integrations_service_name_user_id_key is 'One grant per user and service.';
comment on index public.user_integrations_token_expires_at_idx is 'Tokens that can be refreshed before they expire.';

alter table public.user_integrations enable row level security;
revoke all on public.user_integrations from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.user_integrations to service_role;

-- Here and elsewhere a grant is looked up by (user_id = x or (user_id is null and x is null)): IS NOT DISTINCT FROM uses no index.
create function public.claim_refresh(p_service_name text, p_user_id uuid, p_seen_version integer, p_lease_seconds integer default 60)
returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_grant public.user_integrations;
  v_integration public.integrations_master;
  v_outcome text;
begin
  select * into v_grant from public.user_integrations g
  where g.service_name = p_service_name and (g.user_id = p_user_id or (g.user_id is null and p_user_id is null)) for update;
  select * into v_integration from public.integrations_master i where i.service_name = p_service_name;
  v_outcome := case
    when v_grant.id is null then 'no_grant'
    when v_grant.needs_reauth then 'needs_reauth'
    when v_grant.token_version > p_seen_version then 'fresh'
    when v_grant.refresh_token is null or v_integration.oauth_config is null then 'no_grant'
    when v_grant.refresh_leased_until > clock_timestamp() then 'busy'
    when v_grant.refresh_not_before > clock_timestamp() then 'backoff'
    when private.is_safe_mode() then 'safe_mode'
    else 'claimed' end;
  if v_outcome = 'claimed' then
    update public.user_integrations g
    set refresh_epoch = g.refresh_epoch + 1, refresh_leased_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
    where g.id = v_grant.id returning * into v_grant;
  end if;
  return jsonb_build_object(
    'outcome', v_outcome, 'grant_id', v_grant.id, 'integration_id', v_integration.id,
    'token_version', v_grant.token_version, 'epoch', v_grant.refresh_epoch, 'token_expires_at', v_grant.token_expires_at,
    'access_token', case when v_outcome = 'fresh' then v_grant.access_token end,
    'refresh_token', case when v_outcome = 'claimed' then v_grant.refresh_token end,
    'oauth_config', case when v_outcome = 'claimed' then v_integration.oauth_config end,
    'allowed_hosts', v_integration.allowed_hosts,
    'retry_at', case v_outcome when 'busy' then v_grant.refresh_leased_until when 'backoff' then v_grant.refresh_not_before end);
end $$;
comment on function public.claim_refresh(text, uuid, integer, integer) is
  'Asks to refresh a grant whose token of p_seen_version is no good: claimed (with lease and epoch), fresh (somebody did it already), busy, backoff, safe_mode, needs_reauth or no_grant.';

create function public.store_refreshed_grant(
  p_grant_id uuid, p_epoch integer, p_seen_version integer, p_access_token text, p_refresh_token text, p_expires_in_seconds integer
) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  v_grant public.user_integrations;
begin
  perform from public.integrations_master i
  where i.service_name = (select g.service_name from public.user_integrations g where g.id = p_grant_id) for no key update;
  update public.user_integrations g
  set access_token = p_access_token, refresh_token = coalesce(p_refresh_token, g.refresh_token),
      token_expires_at = now() + make_interval(secs => p_expires_in_seconds),
      token_version = g.token_version + 1, token_refreshed_at = now(), refresh_leased_until = null, refresh_not_before = null
  where g.id = p_grant_id and g.refresh_epoch = p_epoch and g.token_version = p_seen_version
  returning * into v_grant;
  if not found then
    return false;
  end if;
  perform private.audit('self-heal', 'system', 'grant.refreshed', 'grant:' || p_grant_id, 'success',
    jsonb_build_object('service_name', v_grant.service_name, 'token_version', v_grant.token_version));
  perform private.release_recoveries(v_grant.service_name, v_grant.user_id);
  return true;
end $$;
comment on function public.store_refreshed_grant(uuid, integer, integer, text, text, integer) is
  'Stores new tokens if epoch and version are still those that were claimed; false, and nothing written, otherwise.';

create function public.fail_refresh(
  p_grant_id uuid, p_epoch integer, p_outcome text, p_error text, p_retry_after_seconds integer default null
) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  v_service text;
begin
  update public.user_integrations g
  set refresh_leased_until = null, last_error_at = now(), consecutive_failures = coalesce(g.consecutive_failures, 0) + 1,
      needs_reauth = g.needs_reauth or p_outcome = 'invalid_grant',
      refresh_not_before = case when p_outcome <> 'invalid_grant' then now() + make_interval(secs => greatest(60, p_retry_after_seconds)) end
  where g.id = p_grant_id and g.refresh_epoch = p_epoch and g.refresh_leased_until is not null
  returning g.service_name into v_service;
  if not found then
    return false;
  end if;
  perform private.audit('self-heal', 'system', 'grant.refresh_failed', 'grant:' || p_grant_id, p_outcome,
    jsonb_build_object('service_name', v_service, 'error', p_error), 'error');
  return true;
end $$;
comment on function public.fail_refresh(uuid, integer, text, text, integer) is
  'Ends a claimed refresh without new tokens: invalid_grant is final (needs_reauth), transient and unknown wait at least a minute, because the provider may have used up the refresh token. False for a stale epoch.';

create function public.expiring_grants(p_limit integer) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('service_name', g.service_name, 'user_id', g.user_id, 'token_version', g.token_version)), '[]')
  from (
    select u.service_name, u.user_id, u.token_version
    from public.user_integrations u
    join public.integrations_master i on i.service_name = u.service_name and i.enabled and i.oauth_config is not null
    where u.refresh_token is not null and not u.needs_reauth and u.token_expires_at < now() + interval '10 minutes'
      and (u.refresh_leased_until is null or u.refresh_leased_until < now())
      and (u.refresh_not_before is null or u.refresh_not_before < now())
      and not private.is_safe_mode()
    order by u.token_expires_at limit p_limit
  ) g;
$$;
comment on function public.expiring_grants(integer) is 'Grants whose token expires within ten minutes and that can be refreshed now, most urgent first; none in safe mode.';

create function public.save_grant(
  p_service_name text, p_user_id uuid, p_grant_id uuid, p_access_token text, p_refresh_token text, p_expires_in_seconds integer
) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  v_id uuid;
begin
  perform from public.integrations_master i where i.service_name = p_service_name for no key update;
  if not found then
    raise exception using errcode = 'PT404', hint = 'integration.unknown',
      message = format('There is no integration "%s". Register it in integrations_master first.', p_service_name);
  end if;
  insert into public.user_integrations as g (id, service_name, user_id, access_token, refresh_token, token_expires_at, token_version, token_refreshed_at)
  values (p_grant_id, p_service_name, p_user_id, p_access_token, p_refresh_token, now() + make_interval(secs => p_expires_in_seconds), 1, now())
  on conflict (service_name, user_id) where service_name is not null do update
  set access_token = excluded.access_token, refresh_token = excluded.refresh_token, token_expires_at = excluded.token_expires_at,
      token_version = g.token_version + 1, token_refreshed_at = now(), needs_reauth = false, consecutive_failures = 0,
      refresh_leased_until = null, refresh_not_before = null, refresh_epoch = g.refresh_epoch + 1
  where g.id = p_grant_id
  returning g.id into v_id;
  if v_id is null then
    raise exception using errcode = 'PT409', hint = 'grant.id_mismatch',
      message = format('The grant of this user at "%s" has another id than the tokens were encrypted for. Read its id and encrypt again.', p_service_name);
  end if;
  perform private.audit('self-heal', 'system', 'grant.saved', 'grant:' || v_id, 'success', jsonb_build_object('service_name', p_service_name));
  update public.integrations_master i set breaker_until = now()
  where i.service_name = p_service_name and i.breaker_state <> 'closed' and (i.enabled or i.disabled_by = 'self-heal');
  perform private.release_recoveries(p_service_name, p_user_id);
  return v_id;
end $$;
comment on function public.save_grant(text, uuid, uuid, text, text, integer) is
  'Stores the tokens of a user who connected (again), encrypted for grant p_grant_id: clears needs_reauth, lets a probe pass at once and makes the user''s waiting recoveries due.';

revoke execute on function public.claim_refresh(text, uuid, integer, integer) from public, anon, authenticated;
revoke execute on function public.store_refreshed_grant(uuid, integer, integer, text, text, integer) from public, anon, authenticated;
revoke execute on function public.fail_refresh(uuid, integer, text, text, integer) from public, anon, authenticated;
revoke execute on function public.expiring_grants(integer) from public, anon, authenticated;
revoke execute on function public.save_grant(text, uuid, uuid, text, text, integer) from public, anon, authenticated;
grant execute on function public.claim_refresh(text, uuid, integer, integer) to service_role;
grant execute on function public.store_refreshed_grant(uuid, integer, integer, text, text, integer) to service_role;
grant execute on function public.fail_refresh(uuid, integer, text, text, integer) to service_role;
grant execute on function public.expiring_grants(integer) to service_role;
grant execute on function public.save_grant(text, uuid, uuid, text, text, integer) to service_role;
