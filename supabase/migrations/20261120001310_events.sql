-- What rules see: events that are posted, and the entries of the audit log. Each is evaluated once.

create table public.rule_events (
  id text primary key default gen_random_uuid()::text,
  data jsonb not null,
  created_at timestamptz not null default now(),
  evaluated_at timestamptz,
  constraint rule_events_id_has_1_to_200_characters check (char_length(id) between 1 and 200),
  constraint rule_events_id_is_not_that_of_an_audit_entry check (not starts_with(id, 'audit_log:')),
  constraint rule_events_data_is_an_object_of_at_most_64_kb check (jsonb_typeof(data) = 'object' and octet_length(data::text) <= 65536),
  -- Postgres stores much deeper ones than it can put into an answer: one of them would stop every worker for good.
  constraint rule_events_data_has_at_most_64_levels check (not jsonb_path_exists(data, '$.**{64}'))
);
comment on table public.rule_events is 'Events for the rules. A new row is evaluated soon; it is kept for backtests.';
comment on column public.rule_events.id is 'Whoever posts an event may choose it; one that is known is not stored again.';
comment on column public.rule_events.data is 'The event: any JSON object.';
comment on column public.rule_events.created_at is 'When it was posted.';
comment on column public.rule_events.evaluated_at is 'When the rules had seen it, or when there was no rule to see it; null: it waits.';

create index rule_events_waiting_idx on public.rule_events (created_at, id) where evaluated_at is null;
comment on index public.rule_events_waiting_idx is 'What is still to be evaluated, the oldest first.';
create index rule_events_created_idx on public.rule_events (created_at, id);
comment on index public.rule_events_created_idx is 'Finds the events of a time, and those to be forgotten.';

create table private.event_cursor (
  id boolean primary key default true,
  leased_until timestamptz,
  epoch integer not null default 0,
  audit_seq bigint not null default 0,
  claimed_seq bigint,
  constraint event_cursor_has_one_row check (id)
);
comment on table private.event_cursor is 'One row: which worker evaluates events, and how far the audit log is evaluated.';
comment on column private.event_cursor.id is 'Always true.';
comment on column private.event_cursor.leased_until is 'Until then one worker owns what it claimed.';
comment on column private.event_cursor.epoch is 'Fencing token: grows with every claim, a stale worker''s result is refused.';
comment on column private.event_cursor.audit_seq is 'The audit log is evaluated up to this number.';
comment on column private.event_cursor.claimed_seq is 'And will be up to this one, when what is claimed is finished.';
insert into private.event_cursor default values;

alter table public.rule_events enable row level security;
alter table private.event_cursor enable row level security;
revoke all on public.rule_events, private.event_cursor from public, anon, authenticated, service_role;
grant select, insert (id, data) on public.rule_events to service_role;

insert into public.settings (name, value, description) values
  ('event_retention_days', '30', 'Evaluated events, and what rules did about them, are deleted after this many days.');

create function private.ask_for_evaluation() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_oldest timestamptz;
begin
  select e.created_at into v_oldest from public.rule_events e where e.evaluated_at is null order by e.created_at, e.id limit 1;
  -- Where older ones wait, somebody was asked before. Two conditions: the second one is a query, and mostly not needed.
  if v_oldest = now() and coalesce(current_setting('rules.evaluation_is_called', true), '') = '' then
    if exists (select from public.rules r where r.status = 'active') then
      perform private.invoke_function('run-rules');
      perform set_config('rules.evaluation_is_called', 'yes', true);
    end if;
  end if;
  return null;
end $$;
comment on function private.ask_for_evaluation() is 'Trigger: asks, once in a transaction, for evaluation after commit, when nothing waited before.';
create trigger rule_events_ask_for_evaluation after insert on public.rule_events
  for each statement execute function private.ask_for_evaluation();
comment on trigger rule_events_ask_for_evaluation on public.rule_events is 'Events are evaluated at once.';

create function private.store_events(p_events jsonb, p_evaluated_at timestamptz default null) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_stored jsonb;
  v_constraint text;
begin
  if jsonb_typeof(p_events) is distinct from 'array' or jsonb_array_length(p_events) > 1000 then
    raise exception using errcode = 'PT422', hint = 'event.invalid', message = 'Nothing was stored: give a list of at most 1,000 events.';
  end if;
  with given as materialized (
    select coalesce(t.event ->> 'id', gen_random_uuid()::text) as id, t.event -> 'data' as data, t.position
    from jsonb_array_elements(p_events) with ordinality t (event, position)
  ), stored as (
    insert into public.rule_events (id, data, evaluated_at)
    select g.id, g.data, p_evaluated_at from given g order by g.id, g.position
    on conflict (id) do nothing returning id
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', g.id, 'recorded', g.is_first and s.id is not null) order by g.position), '[]') into v_stored
  from (select *, row_number() over (partition by id order by position) = 1 as is_first from given) g left join stored s on s.id = g.id;
  return v_stored;
exception when check_violation or not_null_violation then
  get stacked diagnostics v_constraint = constraint_name;
  raise exception using errcode = 'PT422', hint = 'event.invalid',
    message = format('Nothing was stored: %s.', coalesce(replace(nullif(v_constraint, ''), '_', ' '), 'an event has no data'));
end $$;
comment on function private.store_events(jsonb, timestamptz) is
  'Stores those of the events ([{id, data}], at most 1,000) whose id is not known: [{id, recorded}] in their order. Raises event.invalid.';

create function public.record_events(p_events jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  return private.store_events(p_events);
end $$;
comment on function public.record_events(jsonb) is
  'Posts events ([{id, data}], at most 1,000; an id is made where it is left out), to be evaluated soon: [{id, recorded}] in their order, recorded is false for a known id. All or none. Raises event.invalid.';

create function private.posted_event(p_event public.rule_events) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return p_event.data || jsonb_build_object('eventId', p_event.id);
end $$;
comment on function private.posted_event(public.rule_events) is 'A posted event as rules see it.';

create function private.entry_event(p_entry public.audit_log) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return case
      when jsonb_path_exists(p_entry.payload, '$.**{64}') then '{}'
      when jsonb_typeof(p_entry.payload) = 'object' then p_entry.payload
      else jsonb_build_object('payload', p_entry.payload)
    end
    || jsonb_build_object('eventId', 'audit_log:' || p_entry.immutable_seq, 'eventType', p_entry.action, 'source', p_entry.subsystem,
      'kind', p_entry.kind, 'actor', p_entry.actor, 'resource', p_entry.resource, 'result', p_entry.result,
      'createdAt', to_char(p_entry.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
end $$;
comment on function private.entry_event(public.audit_log) is 'An entry of the audit log as rules see it: without its payload when that is nested as deep as no event may be.';

create function private.read_event(p_id text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_seq bigint := substring(p_id from '^audit_log:([0-9]{1,18})$')::bigint;
begin
  if v_seq is null then
    return (select private.posted_event(e) from public.rule_events e where e.id = p_id);
  end if;
  return (select private.entry_event(a) from public.audit_log a where a.immutable_seq = v_seq);
end $$;
comment on function private.read_event(text) is 'An event as rules see it, by its id; null when it is not there any more.';

create function private.seal_entries() returns bigint
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_sealed bigint := (select t.sealed_seq from public.immutable_tables t where t.name = 'audit_log');
  v_sealed_at timestamptz := (select b.sealed_at from public.audit_blocks b where b.table_name = 'audit_log' order by b.number desc limit 1);
begin
  -- Each block is published, on a chain for money, so there are not many more of them than the timer makes.
  if coalesce(v_sealed_at, '-infinity') < now() - interval '30 seconds'
    and exists (select from public.audit_log a where a.immutable_seq > v_sealed and a.subsystem <> 'rules')
  then
    perform set_config('lock_timeout', '1s', true);
    begin
      perform public.seal_audit('audit_log');
    exception when others then
      -- What is sealed already, and what was posted, must be evaluated all the same.
      raise warning using errcode = sqlstate, hint = 'audit.not_sealed', message = format('Table audit_log was not sealed: %s', sqlerrm);
    end;
    v_sealed := (select t.sealed_seq from public.immutable_tables t where t.name = 'audit_log');
  end if;
  return v_sealed;
end $$;
comment on function private.seal_entries() is
  'Seals the audit log when nobody did lately and there is something new to evaluate; the number up to which no entry can be missed.';

create function private.next_events(p_limit integer) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_cursor private.event_cursor;
  v_sealed bigint;
  v_seq bigint;
  v_events jsonb;
begin
  select c.* into v_cursor from private.event_cursor c
  where c.leased_until is null or c.leased_until <= now() for no key update skip locked;
  if not found then
    return null;
  end if;
  v_sealed := private.seal_entries();

  if exists (select from public.rules r where r.status = 'active') then
    with entry as (
      select a.immutable_seq as seq, 'audit_log:' || a.immutable_seq as id, private.entry_event(a) as event
      from public.audit_log a
      where a.immutable_seq > v_cursor.audit_seq and a.immutable_seq <= v_sealed and a.subsystem <> 'rules'
      order by a.immutable_seq limit (p_limit + 1) / 2
    ), posted as (
      select e.id, e.created_at, private.posted_event(e) as event from public.rule_events e
      where e.evaluated_at is null order by e.created_at, e.id limit p_limit - (select count(*) from entry)
    ), batch as (
      select n.*, sum(octet_length(n.event::text)) over (order by n.seq, n.created_at, n.id) - octet_length(n.event::text) as bytes_before
      from (select seq, null::timestamptz as created_at, id, event from entry union all select null, created_at, id, event from posted) n
    )
    -- A worker has little memory: beyond 4 MB the batch ends.
    select jsonb_agg(jsonb_build_object('id', b.id, 'event', b.event) order by b.seq, b.created_at, b.id),
      case when count(b.seq) = (select count(*) from entry) and count(b.seq) < (p_limit + 1) / 2 then v_sealed else max(b.seq) end
      into v_events, v_seq
    from batch b where b.bytes_before < 4194304;
  else
    -- Asked again: a rule that is active since then may have been meant for the event that was posted next.
    update public.rule_events e set evaluated_at = now()
    where e.evaluated_at is null and not exists (select from public.rules r where r.status = 'active');
    v_seq := v_sealed;
  end if;
  if v_events is null then
    update private.event_cursor c set audit_seq = v_seq, leased_until = null where c.audit_seq <> v_seq or c.leased_until is not null;
    return null;
  end if;
  return jsonb_build_object('events', v_events, 'seq', v_seq);
end $$;
comment on function private.next_events(integer) is
  'The oldest events that nobody evaluated, at most p_limit and 4 MB, and how far the audit log is evaluated with them: {events, seq}; null when there are none or a worker has them. Where no rule is active, what waits is passed over.';

create function public.claim_events(p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_next jsonb;
  v_epoch integer;
begin
  if (p_limit between 1 and 10000 and p_lease_seconds between 0 and 3600) is not true then
    raise exception using errcode = 'PT422', hint = 'event.claim_invalid',
      message = 'Nothing was claimed: give a limit of 1 to 10,000 events and a lease of at most 3,600 seconds.';
  end if;
  v_next := private.next_events(p_limit);
  if v_next is null then
    return null;
  end if;
  update private.event_cursor c
  set leased_until = now() + make_interval(secs => p_lease_seconds), epoch = c.epoch + 1, claimed_seq = (v_next ->> 'seq')::bigint
  returning c.epoch into v_epoch;
  return jsonb_build_object('epoch', v_epoch, 'events', v_next -> 'events');
end $$;
comment on function public.claim_events(integer, integer) is
  'Leases the oldest events that nobody evaluated, posted ones and entries of the audit log: {epoch, events: [{id, event}]}; null when there are none or another worker has them. Raises event.claim_invalid.';

create function public.read_events(p_from timestamptz, p_after jsonb default null, p_limit integer default 2000) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_at timestamptz := coalesce((p_after ->> 'createdAt')::timestamptz, p_from);
  v_id text := coalesce(p_after ->> 'id', '');
  v_seq bigint := coalesce((p_after ->> 'seq')::bigint, (
    -- The log has no index on its times; its blocks say where to begin.
    select b.last_seq from public.audit_blocks b
    where b.table_name = 'audit_log' and b.sealed_at < p_from - interval '1 hour' order by b.number desc limit 1), 0);
  v_page jsonb;
begin
  with posted as (
    select e.created_at as at, e.created_at, e.id, null::bigint as seq, private.posted_event(e) as event
    from public.rule_events e where (e.created_at, e.id) > (v_at, v_id) order by e.created_at, e.id limit p_limit
  ), entry as (
    -- Entries stand in the order of their numbers, so that a page ends at one number.
    select max(a.created_at) over (order by a.immutable_seq) as at, a.created_at, 'audit_log:' || a.immutable_seq as id, a.immutable_seq as seq,
      private.entry_event(a) as event
    from (
      select * from public.audit_log l where l.immutable_seq > v_seq and l.subsystem <> 'rules' and l.created_at >= p_from
      order by l.immutable_seq limit p_limit
    ) a
  ), candidate as (
    select c.*, row_number() over by_time as position, sum(octet_length(c.event::text)) over by_time - octet_length(c.event::text) as bytes_before
    from (select * from posted union all select * from entry) c window by_time as (order by c.at, c.seq, c.id)
  ), page as (
    select * from candidate c where c.position <= p_limit and c.bytes_before < 4194304
  )
  select jsonb_build_object(
    'events', coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'createdAt', p.created_at, 'event', p.event) order by p.position), '[]'),
    'next', case when count(*) < (select count(*) from candidate) or count(*) >= p_limit then jsonb_build_object(
      'createdAt', coalesce(max(p.created_at) filter (where p.seq is null), v_at),
      'id', coalesce((array_agg(p.id order by p.position desc) filter (where p.seq is null))[1], v_id),
      'seq', coalesce(max(p.seq), v_seq)) end) into v_page
  from page p;
  return v_page;
end $$;
comment on function public.read_events(timestamptz, jsonb, integer) is
  'Events since a time, posted ones and entries of the audit log, the oldest first, at most p_limit and 4 MB: {events: [{id, createdAt, event}], next}; next is p_after of the following page, null on the last one.';

revoke execute on function private.ask_for_evaluation(), private.store_events(jsonb, timestamptz), private.posted_event(public.rule_events),
  private.entry_event(public.audit_log), private.read_event(text), private.seal_entries(), private.next_events(integer) from public, anon, authenticated, service_role;
revoke execute on function public.record_events(jsonb), public.claim_events(integer, integer),
  public.read_events(timestamptz, jsonb, integer) from public, anon, authenticated;
grant execute on function public.record_events(jsonb), public.claim_events(integer, integer),
  public.read_events(timestamptz, jsonb, integer) to service_role;
