-- Brings the incidents in line with what is wrong now. All decisions take the time from p_now, and all combinations follow
-- from these: people hear of an incident (told_at) at its first signal outside of maintenance windows, and of its end when
-- they had heard of it, wherever it ends. Age and reminders count from the latest of what began them and the last window's
-- end. What comes back within an hour is the same incident and begins anew, also after a person resolved it too early;
-- after an hour it is a new one. Escalating and reminding need a signal, so that what flaps is silent while it is quiet.

create function private.note_signal(p_incident public.incidents, p_signal private.incident_signals, p_quiet_until timestamptz, p_now timestamptz)
returns public.incidents
language plpgsql set search_path = '' as $$
declare
  v_incident public.incidents := p_incident;
begin
  v_incident.priority := least(p_incident.priority, p_signal.priority);
  v_incident.title := p_signal.title;
  v_incident.details := p_signal.details;
  v_incident.checked_at := p_signal.checked_at;
  v_incident.clear_since := null;
  -- A window that was made shorter or was deleted is over now.
  v_incident.quiet_until := coalesce(p_quiet_until, case when p_incident.quiet_until > p_now then p_now else p_incident.quiet_until end);
  if v_incident is distinct from p_incident then
    update public.incidents i
    set (priority, title, details, checked_at, clear_since, quiet_until) = (v_incident.priority, v_incident.title, v_incident.details,
      v_incident.checked_at, v_incident.clear_since, v_incident.quiet_until)
    where i.id = v_incident.id;
  end if;
  if v_incident.priority <> p_incident.priority then
    perform private.audit('incidents', 'system', 'incident.raised', 'incident:' || v_incident.id, v_incident.priority,
      jsonb_build_object('dedup_key', v_incident.dedup_key, 'from_priority', p_incident.priority));
  end if;
  return v_incident;
end $$;
comment on function private.note_signal(public.incidents, private.incident_signals, timestamptz, timestamptz) is
  'Takes over what the signal of an open incident says now; the graver priority stays. p_quiet_until: the end of the maintenance window that it is in.';

create function private.open_incident(p_incident public.incidents, p_signal private.incident_signals, p_platform jsonb, p_now timestamptz)
returns public.incidents
language plpgsql set search_path = '' as $$
declare
  v_new public.incidents;
begin
  if p_incident.resolved_at > p_now - interval '1 hour' then
    return private.move_incident(p_incident, 'reopen', 'system', p_now);
  elsif p_incident.id is not null then
    perform private.move_incident(p_incident, 'close', 'system', p_now);
  end if;
  v_new.dedup_key := p_signal.dedup_key;
  v_new.priority := p_signal.priority;
  v_new.source := p_signal.source;
  v_new.title := p_signal.title;
  v_new.details := p_signal.details;
  v_new.checked_at := p_signal.checked_at;
  v_new.snapshot := p_platform || private.signal_snapshot(p_signal);
  return private.move_incident(v_new, 'open', 'system', p_now);
end $$;
comment on function private.open_incident(public.incidents, private.incident_signals, jsonb, timestamptz) is
  'Opens an incident for a signal: the one that was resolved less than an hour ago again, or a new one, and closes an older one.';

create function private.follow_signal(
  p_incident public.incidents, p_signal private.incident_signals, p_quiet_until timestamptz, p_platform jsonb, p_now timestamptz
) returns text[]
language plpgsql set search_path = '' as $$
declare
  v_incident public.incidents := p_incident;
  v_policy public.incident_policies;
  v_events text[] := array[]::text[];
begin
  if p_incident.id is null or p_incident.status = 'RESOLVED' then
    v_incident := private.open_incident(p_incident, p_signal, p_platform, p_now);
    v_events := array[case when v_incident.id = p_incident.id then 'reopened' else 'opened' end];
    if v_incident.id <> p_incident.id then
      v_events := array_append(v_events, 'closed');
    end if;
  elsif p_signal.checked_at > p_incident.checked_at and p_incident.status <> 'ESCALATED' and p_quiet_until is null then
    v_incident := private.move_incident(p_incident, 'retry', 'system', p_now);
    v_events := array['retried'];
  end if;
  v_incident := private.note_signal(v_incident, p_signal, p_quiet_until, p_now);
  if p_quiet_until is not null then
    return v_events;
  end if;

  select p.* into v_policy from public.incident_policies p where p.priority = v_incident.priority;
  if v_incident.told_at is null then
    update public.incidents i set told_at = p_now where i.id = v_incident.id returning * into v_incident;
    perform private.tell_incident(v_incident, 'incident_opened', p_now);
  end if;
  if v_incident.status = 'AUTO_HEALING' and (v_incident.attempts >= v_policy.escalate_attempts or p_now - v_policy.escalate_after >=
    greatest(v_incident.opened_at, v_incident.reopenings[cardinality(v_incident.reopenings)], v_incident.quiet_until))
  then
    v_incident := private.move_incident(v_incident, 'escalate', 'system', p_now);
    perform private.tell_incident(v_incident, 'incident_escalated', p_now), private.page('trigger', v_incident);
    v_events := array_append(v_events, 'escalated');
  elsif v_incident.status = 'ESCALATED' and p_now - v_policy.remind_every >=
    greatest(v_incident.escalated_at, v_incident.reminded_at, v_incident.quiet_until)
  then
    update public.incidents i set reminded_at = p_now where i.id = v_incident.id returning * into v_incident;
    perform private.tell_incident(v_incident, 'incident_reminder', p_now);
    v_events := array_append(v_events, 'reminded');
  end if;
  return v_events;
end $$;
comment on function private.follow_signal(public.incidents, private.incident_signals, timestamptz, jsonb, timestamptz) is
  'What becomes of an incident, or of none, while its signal is there: opened or reopened, retried, told, escalated, reminded of; the list of these. In a maintenance window (p_quiet_until, its end) it is only opened.';

create function private.follow_silence(p_incident public.incidents, p_now timestamptz) returns text[]
language plpgsql set search_path = '' as $$
begin
  if p_incident.status = 'RESOLVED' then
    if p_incident.resolved_at <= p_now - (select p.close_after from public.incident_policies p where p.priority = p_incident.priority) then
      perform private.move_incident(p_incident, 'close', 'system', p_now);
      return array['closed'];
    end if;
  elsif not private.is_watched(p_incident) then
    -- Nothing was healed, so it is not said to be.
    perform private.resolve_and_tell(p_incident, 'resolve', 'system', p_now, 'Nobody looks at it any more: it was removed or switched off.');
    return array['resolved'];
  elsif p_incident.flapping and coalesce(p_incident.clear_since, p_now) > p_now - interval '30 minutes' then
    update public.incidents i set clear_since = p_now where i.id = p_incident.id and i.clear_since is null;
  else
    perform private.resolve_and_tell(p_incident, 'clear', 'system', p_now);
    return array['resolved'];
  end if;
  return array[]::text[];
end $$;
comment on function private.follow_silence(public.incidents, timestamptz) is
  'What becomes of an incident without a signal: resolved, when it flaps after half an hour, and closed; the list of these.';

create function private.follow(
  p_incident public.incidents, p_signal private.incident_signals, p_quiet_until timestamptz, p_platform jsonb, p_now timestamptz
) returns text[]
language plpgsql set search_path = '' as $$
begin
  if p_signal.dedup_key is null then
    return private.follow_silence(p_incident, p_now);
  end if;
  return private.follow_signal(p_incident, p_signal, p_quiet_until, p_platform, p_now);
exception when others then
  insert into private.unfollowed_incidents as u (dedup_key, error, failed_at)
  values (coalesce(p_signal.dedup_key, p_incident.dedup_key), format('%s (%s)', left(sqlerrm, 400), sqlstate), p_now)
  on conflict (dedup_key) do update set error = excluded.error, failed_at = excluded.failed_at;
  return array['failed'];
end $$;
comment on function private.follow(public.incidents, private.incident_signals, timestamptz, jsonb, timestamptz) is
  'Follows one incident, with its signal or without: the list of what became of it. One that fails is noted, and holds up no other.';

create function public.advance_incidents(p_now timestamptz default now()) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_done jsonb;
begin
  perform private.lock_incidents();
  with signal as (
    select s.dedup_key, (s.dedup_key, s.priority, s.source, s.title, coalesce(s.checked_at, date_bin('5 minutes', p_now, 'epoch')), s.details)::private.incident_signals as signal
    from private.incident_signals s
  ), incident as (
    select i.dedup_key, i as incident from public.incidents i where i.status <> 'CLOSED'
  ), pair as (
    select i.incident, s.signal, (
      select max(w.ends_at) from public.maintenance_windows w where w.starts_at <= p_now and w.ends_at > p_now and dedup_key like w.dedup_pattern) as quiet_until
    from incident i full join signal s using (dedup_key)
    order by coalesce((s.signal).priority, (i.incident).priority), dedup_key
  ), followed as (
    select private.follow(p.incident, p.signal, p.quiet_until,
      -- Without FROM: it is made once at most, and only when something opens.
      case when (p.signal).dedup_key is not null and ((p.incident).id is null or (p.incident).status = 'RESOLVED') then (select private.platform_snapshot()) end,
      p_now) as events from pair p
  )
  select jsonb_build_object('opened', count(*) filter (where e.event = 'opened'), 'reopened', count(*) filter (where e.event = 'reopened'),
    'retried', count(*) filter (where e.event = 'retried'), 'escalated', count(*) filter (where e.event = 'escalated'),
    'reminded', count(*) filter (where e.event = 'reminded'), 'resolved', count(*) filter (where e.event = 'resolved'),
    'closed', count(*) filter (where e.event = 'closed'), 'failed', count(*) filter (where e.event = 'failed'))
  into v_done from followed f cross join lateral unnest(f.events) e (event);
  delete from private.unfollowed_incidents u where u.failed_at <> p_now;
  return v_done;
end $$;
comment on function public.advance_incidents(timestamptz) is
  'Brings the incidents in line with incident_signals, in one pass, one pass at a time; safe to run at any time: how many were {opened, reopened, retried, escalated, reminded, resolved, closed}, or failed to be followed.';

revoke execute on function private.note_signal(public.incidents, private.incident_signals, timestamptz, timestamptz),
  private.open_incident(public.incidents, private.incident_signals, jsonb, timestamptz),
  private.follow_signal(public.incidents, private.incident_signals, timestamptz, jsonb, timestamptz),
  private.follow_silence(public.incidents, timestamptz), private.follow(public.incidents, private.incident_signals, timestamptz, jsonb, timestamptz)
  from public, anon, authenticated, service_role;
revoke execute on function public.advance_incidents(timestamptz) from public, anon, authenticated;
grant execute on function public.advance_incidents(timestamptz) to service_role;

insert into public.timers (name, schedule, command, description) values (
  'incidents', '* * * * *', 'select public.advance_incidents()', 'Opens, escalates, resolves and closes incidents.'
);
