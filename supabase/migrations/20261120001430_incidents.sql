-- What people follow until it is over: incidents, and the moves that they can make.

create table public.incident_transitions (
  from_status text,
  event text not null,
  to_status text not null,
  action text not null,
  constraint incident_transitions_lead_to_one_status unique nulls not distinct (from_status, event)
);
comment on table public.incident_transitions is 'The lifecycle of incidents: a move that has no row here is refused.';
comment on column public.incident_transitions.from_status is 'The status before; null: there is no incident yet.';
comment on column public.incident_transitions.event is 'What happens. clear: it is over by itself; resolve: a person says so, or nobody looks at it any more.';
comment on column public.incident_transitions.to_status is 'The status after.';
comment on column public.incident_transitions.action is 'What the audit log calls it.';
insert into public.incident_transitions (from_status, event, to_status, action) values
  (null, 'open', 'AUTO_HEALING', 'incident.opened'),
  ('AUTO_HEALING', 'retry', 'AUTO_HEALING', 'incident.retried'),
  ('AUTO_HEALING', 'escalate', 'ESCALATED', 'incident.escalated'),
  ('AUTO_HEALING', 'acknowledge', 'ACKNOWLEDGED', 'incident.acknowledged'),
  ('AUTO_HEALING', 'clear', 'RESOLVED', 'incident.resolved'),
  ('AUTO_HEALING', 'resolve', 'RESOLVED', 'incident.resolved'),
  ('ESCALATED', 'acknowledge', 'ACKNOWLEDGED', 'incident.acknowledged'),
  ('ESCALATED', 'clear', 'RESOLVED', 'incident.resolved'),
  ('ESCALATED', 'resolve', 'RESOLVED', 'incident.resolved'),
  ('ACKNOWLEDGED', 'retry', 'ACKNOWLEDGED', 'incident.retried'),
  ('ACKNOWLEDGED', 'clear', 'RESOLVED', 'incident.resolved'),
  ('ACKNOWLEDGED', 'resolve', 'RESOLVED', 'incident.resolved'),
  ('RESOLVED', 'reopen', 'AUTO_HEALING', 'incident.reopened'),
  ('RESOLVED', 'close', 'CLOSED', 'incident.closed');

create table public.incident_policies (
  priority text primary key,
  escalate_attempts integer not null default 3,
  escalate_after interval not null default '15 minutes',
  remind_every interval not null,
  close_after interval not null default '1 day',
  constraint incident_priority_is_known check (priority in ('P1', 'P2', 'P3', 'P4')),
  constraint incident_policies_are_positive check (
    escalate_attempts > 0 and escalate_after > '0' and remind_every > '0' and close_after > '0')
);
comment on table public.incident_policies is 'How incidents of each priority are followed; people may change the numbers.';
comment on column public.incident_policies.priority is 'P1, the gravest, to P4.';
comment on column public.incident_policies.escalate_attempts is 'It is escalated when healing was tried so often in vain.';
comment on column public.incident_policies.escalate_after is 'It is escalated when it is that old.';
comment on column public.incident_policies.remind_every is 'While it is escalated and nobody took it, people are told again that often.';
comment on column public.incident_policies.close_after is 'It is closed when it has been resolved for so long.';
insert into public.incident_policies (priority, remind_every)
values ('P1', '15 minutes'), ('P2', '1 hour'), ('P3', '4 hours'), ('P4', '1 day');

create table public.maintenance_windows (
  id bigint generated always as identity primary key,
  dedup_pattern text not null default '%',
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  reason text not null,
  created_by text not null default current_user,
  constraint maintenance_window_ends_after_it_starts check (ends_at > starts_at),
  constraint maintenance_window_pattern_does_not_end_with_a_backslash check (dedup_pattern not like '%\\')
);
comment on table public.maintenance_windows is 'Time in which incidents open silently and are not escalated; people are told at the end of what is still wrong then.';
comment on column public.maintenance_windows.id is 'Identity.';
comment on column public.maintenance_windows.dedup_pattern is 'Which incidents it is for: a pattern of LIKE for their dedup_key, % for all.';
comment on column public.maintenance_windows.starts_at is 'From then on.';
comment on column public.maintenance_windows.ends_at is 'Until then; a window that is made shorter, or is deleted, ends at once.';
comment on column public.maintenance_windows.reason is 'What is being done.';
comment on column public.maintenance_windows.created_by is 'Who announced it.';

create table public.incidents (
  id bigint generated always as identity primary key,
  dedup_key text not null,
  priority text not null references public.incident_policies (priority),
  status text not null,
  source text not null,
  title text not null,
  details jsonb not null,
  snapshot jsonb not null,
  attempts integer not null default 0,
  checked_at timestamptz not null,
  opened_at timestamptz not null,
  quiet_until timestamptz,
  told_at timestamptz,
  clear_since timestamptz,
  escalated_at timestamptz,
  reminded_at timestamptz,
  acknowledged_at timestamptz,
  acknowledged_by text,
  resolved_at timestamptz,
  resolved_by text,
  auto_healed boolean not null default false,
  closed_at timestamptz,
  reopened integer not null default 0,
  reopenings timestamptz[] not null default '{}',
  flapping boolean not null generated always as (cardinality(reopenings) = 3 and reopenings[3] - reopenings[1] < interval '1 hour') stored,
  note text,
  constraint incident_status_is_known check (status in ('AUTO_HEALING', 'ESCALATED', 'ACKNOWLEDGED', 'RESOLVED', 'CLOSED')),
  constraint incident_that_is_over_says_when_and_by_whom check (
    (status in ('RESOLVED', 'CLOSED')) = (resolved_at is not null) and (resolved_at is null) = (resolved_by is null)),
  constraint incident_that_was_taken_says_by_whom check ((acknowledged_at is null) = (acknowledged_by is null)),
  constraint incident_note_has_at_most_4000_characters check (length(note) <= 4000)
);
comment on table public.incidents is 'What was wrong and is followed until it is over; written by advance_incidents() and by people who take or resolve one.';
comment on column public.incidents.id is 'Order of opening.';
comment on column public.incidents.dedup_key is 'What is wrong; equal things are one incident until it is closed.';
comment on column public.incidents.priority is 'P1, the gravest, to P4: the gravest that its signal had.';
comment on column public.incidents.status is 'AUTO_HEALING, ESCALATED, ACKNOWLEDGED, RESOLVED or CLOSED; incident_transitions says which follows which.';
comment on column public.incidents.source is 'What kind of thing is wrong: the dedup_key up to its colon.';
comment on column public.incidents.title is 'What is wrong, in one line.';
comment on column public.incidents.details is 'The newest signal: {detail, a sentence; count, of how many things; and more}.';
comment on column public.incidents.snapshot is 'What was known when it opened: the violations, what happened before, the mode and the scores.';
comment on column public.incidents.attempts is 'How often it was looked at again and was still wrong, since it was opened or reopened; not counted in maintenance windows.';
comment on column public.incidents.checked_at is 'When it was last looked at.';
comment on column public.incidents.opened_at is 'When it first opened.';
comment on column public.incidents.quiet_until is 'The end of the latest maintenance window; the age that escalates counts from there.';
comment on column public.incidents.told_at is 'When people were told that it is open; null: not yet, it is silent.';
comment on column public.incidents.clear_since is 'Of one that flaps: since when nothing is wrong.';
comment on column public.incidents.escalated_at is 'When it was escalated, since it was last opened.';
comment on column public.incidents.reminded_at is 'When people were last reminded, since then.';
comment on column public.incidents.acknowledged_at is 'When a person took it, since it was last opened.';
comment on column public.incidents.acknowledged_by is 'Who that was.';
comment on column public.incidents.resolved_at is 'When it was over; null while it is open.';
comment on column public.incidents.resolved_by is 'system, or the person that said so.';
comment on column public.incidents.auto_healed is 'It was over without a person saying so.';
comment on column public.incidents.closed_at is 'When it was closed; what is wrong after that is a new incident.';
comment on column public.incidents.reopened is 'How often it came back within an hour.';
comment on column public.incidents.reopenings is 'When: the last three times.';
comment on column public.incidents.flapping is 'It came back three times in an hour: it is resolved only after half an hour of quiet.';
comment on column public.incidents.note is 'What the person said, or why it ended.';

create unique index incidents_not_closed_idx on public.incidents (dedup_key) where status <> 'CLOSED';
comment on index public.incidents_not_closed_idx is 'One incident for each thing that is wrong; all that are followed.';
create index incidents_order_idx on public.incidents (priority, opened_at, id);
comment on index public.incidents_order_idx is 'The order in which they are read; for the foreign key.';

alter table public.incident_transitions enable row level security;
alter table public.incident_policies enable row level security;
alter table public.maintenance_windows enable row level security;
alter table public.incidents enable row level security;
revoke all on public.incident_transitions, public.incident_policies, public.maintenance_windows, public.incidents
  from public, anon, authenticated, service_role;
revoke all on sequence public.maintenance_windows_id_seq, public.incidents_id_seq from public, anon, authenticated, service_role;
grant select on public.incident_transitions, public.incident_policies, public.maintenance_windows, public.incidents to service_role;

create function private.move_incident(p_incident public.incidents, p_event text, p_actor text, p_now timestamptz, p_note text default null)
returns public.incidents
language plpgsql set search_path = '' as $$
declare
  v_move public.incident_transitions;
  v_incident public.incidents;
begin
  select t.* into v_move from public.incident_transitions t where t.from_status is not distinct from p_incident.status and t.event = p_event;
  if not found then
    raise exception using errcode = 'PT409', hint = 'incident.transition_refused',
      message = format('Incident %s is %s, where "%s" is not possible. Possible: %s.', p_incident.id, p_incident.status, p_event, coalesce((
        select string_agg(t.event, ', ' order by t.event) from public.incident_transitions t where t.from_status = p_incident.status), 'nothing any more'));
  end if;
  if p_event = 'open' then
    insert into public.incidents (dedup_key, priority, status, source, title, details, snapshot, checked_at, opened_at)
    values (p_incident.dedup_key, p_incident.priority, v_move.to_status, p_incident.source, p_incident.title, p_incident.details, p_incident.snapshot,
      p_incident.checked_at, p_now)
    returning * into v_incident;
  else
    update public.incidents i
    set status = v_move.to_status,
        attempts = case p_event when 'retry' then i.attempts + 1 when 'reopen' then 0 else i.attempts end,
        told_at = case when p_event <> 'reopen' then i.told_at end,
        escalated_at = case p_event when 'escalate' then p_now when 'reopen' then null else i.escalated_at end,
        reminded_at = case when p_event <> 'reopen' then i.reminded_at end,
        acknowledged_at = case p_event when 'acknowledge' then p_now when 'reopen' then null else i.acknowledged_at end,
        acknowledged_by = case p_event when 'acknowledge' then p_actor when 'reopen' then null else i.acknowledged_by end,
        resolved_at = case when p_event in ('clear', 'resolve') then p_now when p_event <> 'reopen' then i.resolved_at end,
        resolved_by = case when p_event in ('clear', 'resolve') then p_actor when p_event <> 'reopen' then i.resolved_by end,
        auto_healed = p_event = 'clear' or (p_event = 'close' and i.auto_healed),
        closed_at = case when p_event = 'close' then p_now end,
        reopened = i.reopened + (p_event = 'reopen')::integer,
        reopenings = case when p_event = 'reopen' then (i.reopenings || p_now)[greatest(cardinality(i.reopenings) - 1, 1):] else i.reopenings end,
        note = case when p_event <> 'reopen' then coalesce(p_note, i.note) end
    where i.id = p_incident.id returning * into v_incident;
  end if;
  perform private.audit('incidents', p_actor, v_move.action, 'incident:' || v_incident.id, v_incident.status, jsonb_strip_nulls(jsonb_build_object(
    'dedup_key', v_incident.dedup_key, 'priority', v_incident.priority, 'title', v_incident.title, 'from_status', v_move.from_status,
    'attempts', v_incident.attempts, 'auto_healed', case when p_event in ('clear', 'resolve') then v_incident.auto_healed end, 'note', p_note)));
  return v_incident;
end $$;
comment on function private.move_incident(public.incidents, text, text, timestamptz, text) is
  'The only way by which an incident changes its status: looks the move up in incident_transitions, makes it and records it; the incident as it is then. For open it takes an incident without id. Raises incident.transition_refused.';

create function private.tell_incident(p_incident public.incidents, p_kind text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  -- An incident is opened, taken and resolved once between two reopenings, and reminded of once at a time.
  perform private.tell(p_kind,
    format('%s:%s:%s', p_kind, p_incident.id, case p_kind when 'incident_reminder' then p_now::text else p_incident.reopened::text end),
    jsonb_build_object(
      'incident_id', p_incident.id, 'dedup_key', p_incident.dedup_key, 'priority', p_incident.priority, 'title', p_incident.title,
      'status', p_incident.status, 'attempts', p_incident.attempts, 'opened_at', p_incident.opened_at, 'detail', p_incident.details ->> 'detail',
      'auto_healed', p_incident.auto_healed, 'acknowledged_by', p_incident.acknowledged_by, 'resolved_by', p_incident.resolved_by,
      'note', p_incident.note,
      'duration_seconds', extract(epoch from coalesce(p_incident.resolved_at, p_now) - p_incident.opened_at)::bigint,
      'count', coalesce((p_incident.details ->> 'count')::bigint, 1)));
end $$;
comment on function private.tell_incident(public.incidents, text, timestamptz) is 'Tells people of an incident, as it is, in one message of the kind.';

create function private.resolve_and_tell(p_incident public.incidents, p_event text, p_actor text, p_now timestamptz, p_note text default null)
returns public.incidents
language plpgsql set search_path = '' as $$
declare
  v_incident public.incidents := private.move_incident(p_incident, p_event, p_actor, p_now, p_note);
begin
  -- Whoever heard that it is open hears that it is over, a maintenance window or not; nobody else does.
  if v_incident.told_at is not null then
    perform private.tell_incident(v_incident, 'incident_resolved', p_now);
  end if;
  if v_incident.escalated_at is not null then
    perform private.page('resolve', v_incident);
  end if;
  return v_incident;
end $$;
comment on function private.resolve_and_tell(public.incidents, text, text, timestamptz, text) is 'Resolves an incident (event clear or resolve), tells people, and ends the page.';

create function private.lock_incidents() returns void
language plpgsql set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(hashtext('incidents.advance'));
end $$;
comment on function private.lock_incidents() is 'Lets one transaction at a time move incidents: advance_incidents(), or a person.';

create function private.incident_json(p_incident public.incidents) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return to_jsonb(p_incident) - '{snapshot,checked_at,clear_since,told_at,reopenings}'::text[];
end $$;
comment on function private.incident_json(public.incidents) is 'An incident as the API shows it in a list.';

create function private.incident_by_id(p_id bigint) returns public.incidents
language plpgsql stable set search_path = '' as $$
declare
  v_incident public.incidents;
begin
  select i.* into v_incident from public.incidents i where i.id = p_id;
  if not found then
    raise exception using errcode = 'PT404', hint = 'incident.unknown',
      message = format('There is no incident %s. Those that are open are listed by read_incidents().', coalesce(p_id::text, 'without a number'));
  end if;
  return v_incident;
end $$;
comment on function private.incident_by_id(bigint) is 'An incident; raises incident.unknown.';

create function public.acknowledge_incident(p_id bigint, p_actor text, p_note text default null, p_now timestamptz default now()) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_incident public.incidents;
begin
  perform private.lock_incidents();
  v_incident := private.move_incident(private.incident_by_id(p_id), 'acknowledge', p_actor, p_now, p_note);
  if v_incident.told_at is not null then
    perform private.tell_incident(v_incident, 'incident_acknowledged', p_now);
  end if;
  if v_incident.escalated_at is not null then
    perform private.page('acknowledge', v_incident);
  end if;
  return private.incident_json(v_incident);
end $$;
comment on function public.acknowledge_incident(bigint, text, text, timestamptz) is
  'A person takes an incident: it is neither escalated nor reminded of any more, healing goes on. The incident. Raises incident.unknown, incident.transition_refused.';

create function public.resolve_incident(p_id bigint, p_actor text, p_note text default null, p_now timestamptz default now()) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.lock_incidents();
  return private.incident_json(private.resolve_and_tell(private.incident_by_id(p_id), 'resolve', p_actor, p_now, p_note));
end $$;
comment on function public.resolve_incident(bigint, text, text, timestamptz) is
  'A person says that an incident is over; when it is not, it is opened again by the next advance_incidents(). The incident. Raises incident.unknown, incident.transition_refused.';

create function public.read_incidents(
  p_status text[] default null, p_priority text[] default null, p_source text default null, p_before bigint default null, p_limit integer default 50
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_limit constant integer := least(greatest(p_limit, 1), 200);
  v_before public.incidents;
  v_incidents jsonb;
  v_last bigint;
  v_more boolean;
begin
  if p_before is not null then
    v_before := private.incident_by_id(p_before);
  end if;
  with page as (
    select i.id, private.incident_json(i) as incident, row_number() over (order by i.priority, i.opened_at, i.id) as position
    from public.incidents i
    where i.status = any (coalesce(p_status, '{AUTO_HEALING,ESCALATED,ACKNOWLEDGED}')) and (p_priority is null or i.priority = any (p_priority))
      and (p_source is null or i.source = p_source)
      and (p_before is null or (i.priority, i.opened_at, i.id) > (v_before.priority, v_before.opened_at, v_before.id))
    order by i.priority, i.opened_at, i.id limit v_limit + 1
  )
  select jsonb_agg(p.incident order by p.position) filter (where p.position <= v_limit), max(p.id) filter (where p.position = v_limit), bool_or(p.position > v_limit)
  into v_incidents, v_last, v_more from page p;
  return jsonb_build_object('incidents', coalesce(v_incidents, '[]'), 'next', case when v_more then v_last end);
end $$;
comment on function public.read_incidents(text[], text[], text, bigint, integer) is
  'Incidents, open ones unless p_status says otherwise, the gravest and then the oldest first, at most 200: {incidents, next}. next: what p_before is for the following page, null after the last. Raises incident.unknown.';

create function public.read_incident(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return to_jsonb(private.incident_by_id(p_id));
end $$;
comment on function public.read_incident(bigint) is 'An incident with its snapshot. Raises incident.unknown.';

revoke execute on function private.move_incident(public.incidents, text, text, timestamptz, text), private.tell_incident(public.incidents, text, timestamptz),
  private.resolve_and_tell(public.incidents, text, text, timestamptz, text), private.lock_incidents(), private.incident_json(public.incidents),
  private.incident_by_id(bigint)
  from public, anon, authenticated, service_role;
revoke execute on function public.acknowledge_incident(bigint, text, text, timestamptz), public.resolve_incident(bigint, text, text, timestamptz),
  public.read_incidents(text[], text[], text, bigint, integer), public.read_incident(bigint)
  from public, anon, authenticated;
grant execute on function public.acknowledge_incident(bigint, text, text, timestamptz), public.resolve_incident(bigint, text, text, timestamptz),
  public.read_incidents(text[], text[], text, bigint, integer), public.read_incident(bigint)
  to service_role;
