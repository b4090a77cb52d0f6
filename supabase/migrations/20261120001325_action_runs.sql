-- Doing what was queued: what a worker is told, and tells. And the timers around rules.

create function public.read_action_runs(p_ids uuid[]) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'rule_id', a.rule_id, 'rule_name', v.name, 'rule_version', v.version,
      'event_id', a.event_id, 'position', a.position, 'type', a.type, 'action', a.action, 'event', private.read_event(a.event_id),
      'state', a.state, 'result', a.result, 'error', a.error, 'progress', a.progress) order by i.position), '[]')
    from unnest(p_ids) with ordinality i (id, position)
    join public.action_runs a on a.id = i.id
    join public.rule_matches m on m.rule_id = a.rule_id and m.event_id = a.event_id
    join public.rule_versions v on v.rule_id = m.rule_id and v.version = m.rule_version);
end $$;
comment on function public.read_action_runs(uuid[]) is
  'What a worker needs to do the runs, in the order of their ids, with what became of them so far; an unknown one is left out, an event that is gone is null.';

create function public.save_action_progress(p_id uuid, p_progress jsonb, p_replaces jsonb default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_progress jsonb;
begin
  update public.action_runs a set progress = p_progress where a.id = p_id and a.state = 'queued' and a.progress is not distinct from p_replaces;
  select a.progress into v_progress from public.action_runs a where a.id = p_id;
  if not found then
    raise exception using errcode = 'PT404', hint = 'action_run.unknown', message = format('There is no run "%s" of an action; it may have been forgotten.', p_id);
  end if;
  return v_progress;
end $$;
comment on function public.save_action_progress(uuid, jsonb, jsonb) is
  'Stores how far a run is, if p_replaces is what is stored until now (null: nothing); of workers that save at once the first one wins. Returns what is stored then. Raises action_run.unknown.';

create function public.finish_action_runs(p_results jsonb) returns integer
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_finished uuid[];
begin
  with result as (
    select * from jsonb_to_recordset(p_results) r (id uuid, state text, result jsonb, error text)
  ), open as materialized (
    select a.id from public.action_runs a where a.id in (select r.id from result r) and a.state = 'queued' order by a.id for no key update
  ), finished as (
    update public.action_runs a
    set state = r.state, finished_at = now(), result = case r.state when 'succeeded' then r.result end, error = case r.state when 'failed' then left(r.error, 2000) end
    from result r join open o on o.id = r.id where a.id = r.id
    returning a.id
  )
  select coalesce(array_agg(f.id), '{}') into v_finished from finished f;
  perform private.audit_runs(v_finished);
  -- A rule that fires often and fails each time is one message an hour.
  perform private.tell('action_failed', format('rule:%s:action:%s:%s', a.rule_id, a.position, date_trunc('hour', now())), jsonb_build_object(
    'rule_id', a.rule_id, 'rule_name', v.name, 'action', a.type, 'error', a.error, 'event_id', a.event_id))
  from public.action_runs a
  join public.rule_matches m on m.rule_id = a.rule_id and m.event_id = a.event_id
  join public.rule_versions v on v.rule_id = m.rule_id and v.version = m.rule_version
  where a.id = any (v_finished) and a.state = 'failed' order by a.id;
  return cardinality(v_finished);
end $$;
comment on function public.finish_action_runs(jsonb) is
  'Records how runs ended ([{id, state succeeded|failed, result, error}]), audits them and tells people of those that failed; what has ended before stays as it is. Returns how many ended.';

create function private.wake_rules() returns void
language plpgsql set search_path = '' as $$
begin
  if private.next_events(1) is not null or exists (
    select from public.notification_channels c
    where c.purpose = 'actions' and not private.is_safe_mode() and (c.retry_at is null or c.retry_at <= now()) and (c.leased_until is null or c.leased_until <= now()) and exists (
      select from public.outbox o where o.channel = c.name and o.delivered_at is null and o.failed_at is null and o.not_before <= now())
  ) then
    perform private.invoke_function('run-rules');
  end if;
end $$;
comment on function private.wake_rules() is 'Calls the function run-rules where an event, or outside of safe mode an action, is due.';

create function private.forget_events() returns void
language plpgsql set search_path = '' as $$
declare
  v_before timestamptz := now() - make_interval(days => private.setting('event_retention_days')::integer);
begin
  -- Bounded, as what runs into a time limit would have to begin again each time. What is old enough changes no more, so
  -- it is found by its place; offset 0: each is looked up, however few runs the planner believes to be queued.
  delete from public.rule_matches m where m.ctid = any (array(
    select k.ctid from public.rule_matches k where k.matched_at < v_before and not exists (
      select from public.action_runs a where a.rule_id = k.rule_id and a.event_id = k.event_id and a.state = 'queued' offset 0)
    order by k.matched_at limit 50000));
  delete from public.rule_events e where e.ctid = any (array(
    select k.ctid from public.rule_events k where k.created_at < v_before and k.evaluated_at is not null and not exists (
      select from public.action_runs a where a.event_id = k.id and a.state = 'queued' offset 0)
    order by k.created_at, k.id limit 50000));
  delete from public.outbox o where o.ctid = any (array(
    select k.ctid from public.outbox k where k.kind = 'action' and k.created_at < v_before and (k.delivered_at is not null or k.failed_at is not null)
    order by k.id limit 50000));
end $$;
comment on function private.forget_events() is
  'Deletes evaluated events, and what rules did about them, after event_retention_days, at most 50,000 of each; a run that is still queued, and its event, are kept.';

revoke execute on function private.wake_rules(), private.forget_events() from public, anon, authenticated, service_role;
revoke execute on function public.read_action_runs(uuid[]), public.save_action_progress(uuid, jsonb, jsonb), public.finish_action_runs(jsonb)
  from public, anon, authenticated;
grant execute on function public.read_action_runs(uuid[]), public.save_action_progress(uuid, jsonb, jsonb), public.finish_action_runs(jsonb)
  to service_role;

insert into public.timers (name, schedule, command, description) values
  ('run-rules', '* * * * *', 'select private.wake_rules()', 'Evaluates events and does actions that an earlier turn could not.'),
  ('forget-events', '17 * * * *', 'select private.forget_events()', 'Deletes old events and what rules did about them.');
