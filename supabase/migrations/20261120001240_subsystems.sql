-- Every part of the platform, and of the project around it, writes to one audit log.

create table public.subsystem_counts (
  subsystem text not null,
  kind text not null,
  events bigint not null,
  last_seq bigint not null,
  last_logged timestamptz not null,
  primary key (subsystem, kind)
);
comment on table public.subsystem_counts is 'How many sealed rows of the audit log each subsystem wrote, dropped ones included. Sealed rows never change, so each is counted once.';
comment on column public.subsystem_counts.subsystem is 'Which part of the platform.';
comment on column public.subsystem_counts.kind is 'action, error, decision or prediction.';
comment on column public.subsystem_counts.events is 'How many.';
comment on column public.subsystem_counts.last_seq is 'The number of the newest of them; the greatest of all rows says how far the log is counted.';
comment on column public.subsystem_counts.last_logged is 'When the newest of them was logged.';

alter table public.subsystem_counts enable row level security;
revoke all on public.subsystem_counts from public, anon, authenticated, service_role;
grant select on public.subsystem_counts to service_role;

create function private.event_problem(p_event jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_fields constant text[] := array['subsystem', 'kind', 'actor', 'action', 'resource', 'result', 'payload'];
  v_field text;
begin
  if jsonb_typeof(p_event) is distinct from 'object' then
    return ' must be an object';
  end if;
  foreach v_field in array v_fields[1:6] loop
    if jsonb_typeof(p_event -> v_field) is distinct from 'string' or char_length(p_event ->> v_field) not between 1 and 500 then
      return format('.%s must be a text of 1 to 500 characters', v_field);
    end if;
  end loop;
  if p_event ->> 'subsystem' !~ '^[a-z][a-z0-9_-]*$' then
    return '.subsystem must be a name of lower-case letters, digits, hyphens and underscores that begins with a letter';
  elsif p_event ->> 'subsystem' = 'audit' then
    return '.subsystem must not be audit: what the audit log says about itself decides what verification expects';
  elsif p_event ->> 'kind' not in ('action', 'error', 'decision', 'prediction') then
    return '.kind must be action, error, decision or prediction';
  elsif p_event ? 'payload' and (jsonb_typeof(p_event -> 'payload') <> 'object' or octet_length((p_event -> 'payload')::text) > 65536) then
    return '.payload must be an object of at most 64 kB';
  elsif p_event - v_fields <> '{}' then
    return format('.%s is unknown: the fields are %s', left((select min(k) from jsonb_object_keys(p_event - v_fields) k), 100), array_to_string(v_fields, ', '));
  end if;
  return null;
end $$;
comment on function private.event_problem(jsonb) is
  'What is wrong with an event for the audit log, beginning with the field: ".kind must be …"; null when nothing is.';
revoke execute on function private.event_problem(jsonb) from public, anon, authenticated, service_role;

create function public.log_subsystem_events(p_events jsonb) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_problem text;
  v_logged integer;
begin
  if jsonb_typeof(p_events) is distinct from 'array' or jsonb_array_length(p_events) > 1000 then
    v_problem := ' must be an array of at most 1,000 events';
  else
    select format('[%s]%s', t.position - 1, p.problem) into v_problem
    from jsonb_array_elements(p_events) with ordinality t (event, position) cross join lateral private.event_problem(t.event) p (problem)
    where p.problem is not null order by t.position limit 1;
  end if;
  if v_problem is not null then
    raise exception using errcode = 'PT422', hint = 'audit.event_invalid', message = format('p_events%s. Nothing was logged.', v_problem);
  end if;
  insert into public.audit_log (subsystem, kind, actor, action, resource, result, payload)
  select t.event ->> 'subsystem', t.event ->> 'kind', t.event ->> 'actor', t.event ->> 'action', t.event ->> 'resource', t.event ->> 'result',
    coalesce(t.event -> 'payload', '{}')
  from jsonb_array_elements(p_events) with ordinality t (event, position) order by t.position;
  get diagnostics v_logged = row_count;
  return v_logged;
end $$;
comment on function public.log_subsystem_events(jsonb) is
  'Appends events ([{subsystem, kind, actor, action, resource, result, payload}], at most 1,000) to the audit log, all or none, in their order; returns how many. Raises audit.event_invalid, naming the item and its field.';

create function private.uncounted_events(p_last_seq bigint default null)
returns table (subsystem text, kind text, events bigint, last_seq bigint, last_logged timestamptz)
language sql stable set search_path = '' as $$
  select a.subsystem, a.kind, count(*), max(a.immutable_seq), max(a.created_at)
  from public.audit_log a
  where a.immutable_seq > (select coalesce(max(c.last_seq), 0) from public.subsystem_counts c)
    and (p_last_seq is null or a.immutable_seq <= p_last_seq)
  group by a.subsystem, a.kind;
$$;
comment on function private.uncounted_events(bigint) is 'Counts the rows of the audit log that subsystem_counts lacks, up to a number or all.';

create function private.count_subsystem_events() returns void
language plpgsql set search_path = '' as $$
begin
  lock table public.subsystem_counts in share row exclusive mode;
  insert into public.subsystem_counts as c (subsystem, kind, events, last_seq, last_logged)
  select u.* from private.uncounted_events((select t.sealed_seq from public.immutable_tables t where t.name = 'audit_log')) u
  on conflict (subsystem, kind) do update set events = c.events + excluded.events, last_seq = excluded.last_seq,
    last_logged = greatest(c.last_logged, excluded.last_logged);
end $$;
comment on function private.count_subsystem_events() is 'Adds what was sealed since the last time to subsystem_counts.';
revoke execute on function private.uncounted_events(bigint), private.count_subsystem_events() from public, anon, authenticated, service_role;

create function public.subsystem_stats() returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_object_agg(s.subsystem, jsonb_build_object(
    'event_counts', s.event_counts, 'total_events', s.total_events,
    'last_logged', to_char(s.last_logged at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))), '{}')
  from (
    select k.subsystem, jsonb_object_agg(k.kind, k.events) as event_counts, sum(k.events) as total_events, max(k.last_logged) as last_logged
    from (
      select e.subsystem, e.kind, sum(e.events) as events, max(e.last_logged) as last_logged
      from (select * from public.subsystem_counts union all select * from private.uncounted_events()) e group by e.subsystem, e.kind
    ) k group by k.subsystem
  ) s;
$$;
comment on function public.subsystem_stats() is
  'For each subsystem: its events in the audit log per kind, in all, and when it last logged (ISO 8601).';

revoke execute on function public.log_subsystem_events(jsonb), public.subsystem_stats() from public, anon, authenticated;
grant execute on function public.log_subsystem_events(jsonb), public.subsystem_stats() to service_role;

insert into public.timers (name, schedule, command, description) values (
  'count-subsystem-events', '* * * * *', 'select private.count_subsystem_events()', 'Keeps the counts of subsystem_stats() close to the log.'
);
