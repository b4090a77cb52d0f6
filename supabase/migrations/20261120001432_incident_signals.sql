-- What is wrong right now, wherever it comes from; and what is kept of it when an incident opens.

create index outbox_dead_idx on public.outbox (channel, failed_at) where failed_at is not null;
comment on index public.outbox_dead_idx is 'Finds the dead letters of the last day.';

create table private.unfollowed_incidents (
  dedup_key text primary key,
  error text not null,
  failed_at timestamptz not null
);
comment on table private.unfollowed_incidents is 'What the last pass of advance_incidents() could not follow, so that people hear of it.';
comment on column private.unfollowed_incidents.dedup_key is 'What is wrong, or was.';
comment on column private.unfollowed_incidents.error is 'Why it could not be followed.';
comment on column private.unfollowed_incidents.failed_at is 'When, by the clock of that pass.';
alter table private.unfollowed_incidents enable row level security;
revoke all on private.unfollowed_incidents from public, anon, authenticated, service_role;

create view private.incident_signals with (security_invoker = true) as
select signal.dedup_key, signal.priority, split_part(signal.dedup_key, ':', 1) as source, signal.title, signal.checked_at,
  jsonb_build_object('detail', left(signal.detail, 500), 'count', signal.count) as details
from (
  select 'invariant:' || v.name as dedup_key, v.priority, v.name || ' is violated' as title, v.last_ok_at as checked_at,
    -- A run that failed leaves the violations as they were, so that what is not known any more ends no incident.
    (select format('%s: expected %s, found %s', o.entity, coalesce(o.expected, 'nothing'), coalesce(o.actual, 'nothing'))
     from public.invariant_violations o where o.invariant = v.name and o.cleared_at is null order by o.entity limit 1) as detail,
    v.open_violations as count
  from public.invariants v where v.enabled and v.open_violations >= v.incident_threshold
  union all
  select 'invariant-error:' || v.name, 'P2',
    format('%s cannot be %s', v.name, case when e.error ->> 'code' in ('invariant.failed', 'invariant.timeout') then 'checked' else 'corrected' end),
    v.last_run_at, e.error ->> 'message', 1
  from public.invariants v cross join lateral (
    -- Without a watermark it was registered or switched on a moment ago.
    select coalesce(v.last_error, case when v.watermark is not null and v.last_run_at < (select t.succeeded_at from public.timers t where t.name = 'invariants') - interval '15 minutes'
      then private.invariant_error('invariant.failed', 'The timer passed it over for 15 minutes, as somebody runs or changes it all the time.') end) as error
  ) e where v.enabled and e.error is not null
  union all
  select 'integration:' || i.service_name, 'P2', format('Integration %s is disabled', i.service_name), null, i.disabled_reason, 1
  from public.integrations_master i where not i.enabled and i.disabled_by = 'self-heal'
  union all
  select 'timer:' || t.name, 'P2', format('Timer %s is late', t.name), null,
    concat_ws('. ', coalesce('Its last success was at ' || to_char(t.succeeded_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 'It never succeeded'), t.last_error), 1
  from public.timer_status t where t.state = 'late'
  union all
  select 'scan', 'P2', 'The scan for failures that nobody reported is late', null,
    'The last one was at ' || to_char(w.scanned_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 1
  from private.scan_watermark w where w.scanned_until < now() - interval '30 minutes'
  union all
  select 'scheduler:' || s.name, 'P3', format('Scheduler %s is late', s.name), null,
    'It last called at ' || to_char(s.seen_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 1
  from public.scheduler_status s where s.state = 'late'
  union all
  select 'audit:' || a.table_name, 'P1', format('Table %s is not proved to be as it was', a.table_name), null, (array_agg(a.detail order by a.at desc))[1], count(*)
  from (
    select d.table_name, d.detail, d.found_at as at from public.audit_damage d where d.over_at is null
    union all
    select r.table_name, r.detail, r.refused_at from public.audit_refusals r
  ) a group by a.table_name
  union all
  select 'delivery:' || c.name, 'P3', format('Messages to %s were given up', c.name), null, (array_agg(o.last_error order by o.failed_at desc))[1], count(*)
  from public.notification_channels c join public.outbox o on o.channel = c.name
  where c.enabled and c.purpose in ('people', 'pages') and o.failed_at > now() - interval '1 day'
  group by c.name
  union all
  select 'incidents', 'P2', 'Incidents cannot be followed', null, min(u.dedup_key || ': ' || u.error), count(*)
  from private.unfollowed_incidents u having count(*) > 0
) signal;
comment on view private.incident_signals is 'What is wrong at this moment, one row for each thing that people would follow as one incident.';
comment on column private.incident_signals.dedup_key is 'What is wrong, for example invariant:NO_NEGATIVE_STOCK; equal things are one row.';
comment on column private.incident_signals.priority is 'P1 to P4.';
comment on column private.incident_signals.source is 'The dedup_key up to its colon.';
comment on column private.incident_signals.title is 'In one line.';
comment on column private.incident_signals.checked_at is 'When it was last looked at; null: it is looked at with each query.';
comment on column private.incident_signals.details is '{detail: a sentence, count: of how many things}.';

create function private.is_watched(p_incident public.incidents) returns boolean
language plpgsql stable set search_path = '' as $$
declare
  v_name text := substr(p_incident.dedup_key, length(p_incident.source) + 2);
begin
  return case p_incident.source
    when 'invariant' then exists (select from public.invariants v where v.name = v_name and v.enabled)
    when 'invariant-error' then exists (select from public.invariants v where v.name = v_name and v.enabled)
    when 'integration' then exists (select from public.integrations_master i where i.service_name = v_name and i.enabled)
    when 'timer' then exists (select from public.timers t where t.name = v_name and t.enabled)
    when 'scheduler' then exists (select from public.schedulers s where s.name = v_name)
    when 'audit' then exists (select from public.immutable_tables t where t.name = v_name)
    when 'delivery' then exists (select from public.notification_channels c where c.name = v_name and c.enabled)
    else true
  end;
end $$;
comment on function private.is_watched(public.incidents) is
  'Whether what an incident is about would still be a signal if it were wrong: not when it was removed, switched off or, an integration, disabled by a person.';

create function private.cut(p_value jsonb, p_characters integer) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return case when length(p_value::text) > p_characters then to_jsonb(left(p_value::text, p_characters)) else p_value end;
end $$;
comment on function private.cut(jsonb, integer) is 'A value, or the beginning of its text when that is longer than so many characters.';

create function private.entry_json(p_entry public.audit_log) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object('created_at', p_entry.created_at, 'subsystem', p_entry.subsystem, 'actor', p_entry.actor, 'action', p_entry.action,
    'resource', p_entry.resource, 'result', p_entry.result, 'payload', private.cut(p_entry.payload, 200));
end $$;
comment on function private.entry_json(public.audit_log) is 'An entry of the audit log as snapshots keep it.';

create function private.platform_snapshot() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'mode', (select to_jsonb(m) from (select s.mode, s.reason, s.changed_by, s.changed_at, s.automatic from public.system_mode s) m),
    'drift', (select jsonb_build_object('score', d.score, 'lost', private.cut(d.lost, 2000), 'created_at', d.created_at)
              from public.drift_scores d order by d.id desc limit 1),
    'health', (select jsonb_build_object('score', h.score, 'grade', h.grade, 'created_at', h.created_at) from public.health_scores h order by h.id desc limit 1),
    'recent', (select coalesce(jsonb_agg(private.entry_json(a) order by a.immutable_seq desc), '[]')
               from (select * from public.audit_log l order by l.immutable_seq desc limit 10) a));
end $$;
comment on function private.platform_snapshot() is 'The part of a snapshot that is the same whatever is wrong: {mode, drift, health, recent}, where recent are the newest 10 entries of the audit log.';

create function private.signal_snapshot(p_signal private.incident_signals) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_name text := substr(p_signal.dedup_key, length(p_signal.source) + 2);
  v_resource text := case p_signal.source when 'audit' then 'table:' || v_name when 'invariant-error' then 'invariant:' || v_name else p_signal.dedup_key end;
begin
  return jsonb_build_object(
    'history', (select coalesce(jsonb_agg(private.entry_json(a) order by a.immutable_seq desc), '[]')
                from (select * from public.audit_log l where l.resource = v_resource order by l.immutable_seq desc limit 20) a),
    'violations', (
      select coalesce(jsonb_agg(jsonb_build_object('entity', left(o.entity, 100), 'expected', left(o.expected, 100), 'actual', left(o.actual, 100),
        'details', private.cut(o.details, 300), 'detected_at', o.detected_at) order by o.entity), '[]')
      from (
        select * from public.invariant_violations v
        where p_signal.source = 'invariant' and v.invariant = v_name and v.cleared_at is null order by v.entity limit 20
      ) o));
end $$;
comment on function private.signal_snapshot(private.incident_signals) is
  'The other part: {history, violations}, the newest 20 entries of the audit log about what is wrong, and up to 20 rows that violate an invariant.';

revoke execute on function private.is_watched(public.incidents), private.cut(jsonb, integer), private.entry_json(public.audit_log),
  private.platform_snapshot(), private.signal_snapshot(private.incident_signals)
  from public, anon, authenticated, service_role;
