-- What rules did: which events they matched, and what became of their actions.

create table public.rule_matches (
  rule_id text not null,
  event_id text not null,
  rule_version integer not null,
  outcome text not null,
  reason text,
  matched_at timestamptz not null,
  constraint rule_matches_pkey primary key (rule_id, event_id),
  constraint rule_matches_belong_to_a_rule foreign key (rule_id) references public.rules (id),
  constraint rule_matches_are_fired_or_suppressed_for_a_reason check (
    outcome = 'fired' and reason is null or outcome = 'suppressed' and reason in ('rule.paused', 'rule.cooldown', 'rule.limit'))
);
comment on table public.rule_matches is 'Each event that fulfilled a rule''s condition, once, and whether the rule fired.';
comment on column public.rule_matches.rule_id is 'The rule.';
comment on column public.rule_matches.event_id is 'The event: its id in rule_events, or audit_log:<number>.';
comment on column public.rule_matches.rule_version is 'The version of the rule that matched; its actions are done.';
comment on column public.rule_matches.outcome is 'fired: its actions were queued. suppressed: they were not.';
comment on column public.rule_matches.reason is 'Why it was suppressed: rule.paused, rule.cooldown or rule.limit.';
comment on column public.rule_matches.matched_at is 'When it was decided.';

create index rule_matches_fired_idx on public.rule_matches (rule_id, matched_at desc) where outcome = 'fired';
comment on index public.rule_matches_fired_idx is 'The last firings of a rule, for its cooldown and its limit.';
create index rule_matches_matched_idx on public.rule_matches (matched_at desc);
comment on index public.rule_matches_matched_idx is 'What happened lately, and what is to be forgotten.';

create table public.action_runs (
  id uuid primary key default gen_random_uuid(),
  rule_id text not null,
  event_id text not null,
  position integer not null,
  type text not null,
  action jsonb not null,
  state text not null default 'queued',
  result jsonb,
  error text,
  progress jsonb,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint action_runs_belong_to_a_match foreign key (rule_id, event_id) references public.rule_matches (rule_id, event_id) on delete cascade,
  constraint action_runs_are_queued_once unique (rule_id, event_id, position),
  constraint action_runs_state_is_known check (state in ('queued', 'succeeded', 'failed')),
  constraint action_runs_say_why_they_failed check ((state = 'failed') = (error is not null)),
  constraint action_runs_that_ended_have_a_time check ((state = 'queued') = (finished_at is null)),
  constraint action_runs_hold_at_most_64_kb check (coalesce(octet_length(result::text), 0) <= 65536 and coalesce(octet_length(progress::text), 0) <= 65536)
);
comment on table public.action_runs is 'The actions of rules that fired: each is done once.';
comment on column public.action_runs.id is 'What makes the action idempotent, for example the id of a webhook.';
comment on column public.action_runs.rule_id is 'The rule.';
comment on column public.action_runs.event_id is 'The event.';
comment on column public.action_runs.position is 'The action''s place in the rule''s list, from 0.';
comment on column public.action_runs.type is 'anchor, webhook, plugin_emit or ledger_allocate.';
comment on column public.action_runs.action is 'The action of that version of the rule, templates included.';
comment on column public.action_runs.state is 'queued, succeeded or failed.';
comment on column public.action_runs.result is 'What it did.';
comment on column public.action_runs.error is 'Why it failed: code, then a sentence.';
comment on column public.action_runs.progress is 'What must survive a crash between its steps.';
comment on column public.action_runs.created_at is 'When the rule fired.';
comment on column public.action_runs.finished_at is 'When it succeeded or failed.';

create index action_runs_queued_idx on public.action_runs (event_id) where state = 'queued';
comment on index public.action_runs_queued_idx is 'The events that are still needed.';
create index action_runs_failed_idx on public.action_runs (finished_at desc) where state = 'failed';
comment on index public.action_runs_failed_idx is 'The actions that failed lately.';

alter table public.rule_matches enable row level security;
alter table public.action_runs enable row level security;
revoke all on public.rule_matches, public.action_runs from public, anon, authenticated, service_role;
grant select on public.rule_matches, public.action_runs to service_role;

create type private.rule_match as (rule_id text, rule_version integer, event_id text, position bigint);
comment on type private.rule_match is 'A match, and its place in the list that was given.';

create function private.gate_matches(p_matches private.rule_match[]) returns setof public.rule_matches
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_now constant timestamptz := clock_timestamp();
begin
  -- The locks are held, so what is counted here stays true until the end of the transaction.
  return query
  with gate as (
    select r.id, r.status = 'active' as is_active, r.cooldown_seconds > 0 as cools_down, r.max_fires_per_hour,
      r.cooldown_seconds > 0 and last.fired_at > v_now - make_interval(secs => r.cooldown_seconds) as is_cooling_down,
      hour.fires
    from public.rules r
    left join lateral (
      select m.matched_at as fired_at from public.rule_matches m
      where m.rule_id = r.id and m.outcome = 'fired' order by m.matched_at desc limit 1
    ) last on true
    cross join lateral (
      select count(*) as fires from (
        select from public.rule_matches m
        where m.rule_id = r.id and m.outcome = 'fired' and m.matched_at > v_now - interval '1 hour' limit coalesce(r.max_fires_per_hour, 0)
      ) m
    ) hour
    where r.id in (select m.rule_id from unnest(p_matches) m)
  ), fresh as (
    select m.*, row_number() over (partition by m.rule_id order by m.position) as nth
    from unnest(p_matches) m
    where not exists (select from public.rule_matches k where k.rule_id = m.rule_id and k.event_id = m.event_id)
  ), decided as (
    select f.*, case
      when not g.is_active then 'rule.paused'
      when g.is_cooling_down or (g.cools_down and f.nth > 1) then 'rule.cooldown'
      when g.fires + f.nth > g.max_fires_per_hour then 'rule.limit'
    end as reason
    from fresh f join gate g on g.id = f.rule_id
  )
  insert into public.rule_matches (rule_id, event_id, rule_version, outcome, reason, matched_at)
  select d.rule_id, d.event_id, d.rule_version, case when d.reason is null then 'fired' else 'suppressed' end, d.reason, v_now
  from decided d order by d.position
  returning *;
end $$;
comment on function private.gate_matches(private.rule_match[]) is
  'Decides by status, cooldown and limit which of the matches fire, and stores those that are new, which are returned. Their rules must be locked, and each match be given once.';

create function private.queue_actions(p_fired public.rule_matches[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_failed uuid[];
begin
  with run as (
    insert into public.action_runs as a (rule_id, event_id, position, type, action, state, error, finished_at)
    select f.rule_id, f.event_id, d.position - 1, d.action ->> 'type', d.action, case when c.enabled then 'queued' else 'failed' end,
      case when c.enabled is not true then format('action.disabled: Channel %s is disabled in notification_channels. Enable it there.', d.action ->> 'type') end,
      case when c.enabled is not true then now() end
    from unnest(p_fired) with ordinality f
    join public.rule_versions v on v.rule_id = f.rule_id and v.version = f.rule_version
    cross join lateral jsonb_array_elements(
      case jsonb_typeof(v.action) when 'array' then v.action else jsonb_build_array(v.action) end) with ordinality d (action, position)
    left join public.notification_channels c on c.name = d.action ->> 'type'
    order by f.ordinality, d.position
    returning a.id, a.type, a.state
  ), queued as (
    insert into public.outbox (channel, kind, payload, dedup_key)
    select r.type, 'action', jsonb_build_object('run_id', r.id), 'action:' || r.id from run r where r.state = 'queued'
  )
  select array_agg(r.id) into v_failed from run r where r.state = 'failed';
  perform private.audit_runs(v_failed);
end $$;
comment on function private.queue_actions(public.rule_matches[]) is
  'Queues the actions of rules that fired, in their order; one whose channel is disabled is recorded as failed.';

create function private.audit_runs(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  insert into public.audit_log (subsystem, kind, actor, action, resource, result, payload)
  select 'rules', case a.state when 'failed' then 'error' else 'action' end, 'system', 'action.' || a.state, 'rule:' || a.rule_id, a.state,
    jsonb_build_object('run_id', a.id, 'event_id', a.event_id, 'rule_version', m.rule_version, 'type', a.type, 'position', a.position)
      || case a.state when 'failed' then jsonb_build_object('error', a.error) else jsonb_build_object('result', a.result) end
  from public.action_runs a join public.rule_matches m on m.rule_id = a.rule_id and m.event_id = a.event_id
  where a.id = any (p_ids) order by a.created_at, a.rule_id, a.event_id, a.position;
end $$;
comment on function private.audit_runs(uuid[]) is 'Writes runs that ended to the audit log.';

create function private.fire_rules(p_matches jsonb) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_matches private.rule_match[];
  v_match private.rule_match;
  v_fired public.rule_matches[];
begin
  select array_agg(row(d.*)::private.rule_match order by d.position) into v_matches
  from (
    select distinct on (m.rule_id, m.event_id) m.rule_id, m.rule_version, m.event_id, t.position
    from jsonb_array_elements(p_matches) with ordinality t (match, position)
    cross join lateral jsonb_to_record(t.match) m (rule_id text, rule_version integer, event_id text)
    order by m.rule_id, m.event_id, t.position
  ) d;
  perform from public.rules r where r.id in (select m.rule_id from unnest(v_matches) m) order by r.id for no key update;

  -- New statements see what others committed while the locks were awaited.
  select m.* into v_match from unnest(v_matches) m
  where not exists (select from public.rule_versions v where v.rule_id = m.rule_id and v.version = m.rule_version) order by m.position limit 1;
  if found then
    raise exception using errcode = 'PT404', hint = 'rule.unknown',
      message = format('There is no rule "%s" of version %s, so nothing fired. Save the rule first.', v_match.rule_id, v_match.rule_version);
  end if;
  select m.* into v_match from unnest(v_matches) m
  where (m.event_id ~ '^audit_log:[0-9]{1,18}$' or exists (select from public.rule_events e where e.id = m.event_id)) is not true order by m.position limit 1;
  if found then
    raise exception using errcode = 'PT404', hint = 'event.unknown',
      message = format('There is no event "%s", so nothing fired. Store the event first.', v_match.event_id);
  end if;
  select array_agg(g order by m.position) filter (where g.outcome = 'fired') into v_fired
  from private.gate_matches(v_matches) g join unnest(v_matches) m on m.rule_id = g.rule_id and m.event_id = g.event_id;
  perform private.queue_actions(v_fired) where v_fired is not null;

  return (
    select coalesce(jsonb_agg(jsonb_build_object('rule_id', m.rule_id, 'event_id', m.event_id, 'outcome', m.outcome, 'reason', m.reason, 'runs', (
      select coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'position', a.position) order by a.position), '[]')
      from public.action_runs a where a.rule_id = m.rule_id and a.event_id = m.event_id)) order by t.position), '[]')
    from jsonb_array_elements(p_matches) with ordinality t (match, position)
    join public.rule_matches m on m.rule_id = t.match ->> 'rule_id' and m.event_id = t.match ->> 'event_id');
end $$;
comment on function private.fire_rules(jsonb) is
  'Stores matches ([{rule_id, rule_version, event_id}]) and queues the actions of the rules that fire: [{rule_id, event_id, outcome, reason, runs: [{id, position}]}] in their order. A match that is known is returned as it is. Raises rule.unknown, event.unknown.';

create function public.evaluate_events(p_events jsonb, p_matches jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.store_events(p_events, now());
  return private.fire_rules(p_matches);
end $$;
comment on function public.evaluate_events(jsonb, jsonb) is
  'Stores events ([{id, data}]) that were evaluated already, and what matched them, as private.fire_rules does, which it returns; all or nothing. Raises event.invalid, rule.unknown, event.unknown.';

create function public.finish_events(p_epoch integer, p_event_ids text[], p_matches jsonb) returns boolean
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  perform from private.event_cursor c where c.epoch = p_epoch and c.leased_until is not null for no key update;
  if not found then
    return false;
  end if;
  update public.rule_events e set evaluated_at = now() where e.id = any (p_event_ids) and e.evaluated_at is null;
  perform private.fire_rules(p_matches);
  update private.event_cursor c set audit_seq = c.claimed_seq, claimed_seq = null, leased_until = null;
  return true;
end $$;
comment on function public.finish_events(integer, text[], jsonb) is
  'Ends a claim: the events are evaluated, and what matched them is fired as private.fire_rules does. False, and nothing written, for a stale epoch. Raises rule.unknown, event.unknown.';

revoke execute on function private.gate_matches(private.rule_match[]), private.queue_actions(public.rule_matches[]), private.audit_runs(uuid[]),
  private.fire_rules(jsonb) from public, anon, authenticated, service_role;
revoke execute on function public.evaluate_events(jsonb, jsonb), public.finish_events(integer, text[], jsonb) from public, anon, authenticated;
grant execute on function public.evaluate_events(jsonb, jsonb), public.finish_events(integer, text[], jsonb) to service_role;
