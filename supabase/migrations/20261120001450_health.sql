-- How healthy the platform is, 0 to 100 of six components, and what follows: two evaluations of grade F in a row engage safe mode.

insert into public.settings (name, value, description) values (
  'safe_mode_clean_minutes', '30', 'For how many minutes every health evaluation must be of grade C or better until safe mode, engaged by the health score, is left again.'
);

create table public.health_scores (
  id bigint generated always as identity primary key,
  score integer,
  grade text,
  components jsonb not null,
  known_max integer not null,
  created_at timestamptz not null default now(),
  constraint health_score_is_a_percentage check (score between 0 and 100),
  constraint health_grade_is_known check (grade in ('A', 'B', 'C', 'D', 'F')),
  constraint health_score_and_grade_come_together check ((score is null) = (grade is null))
);
comment on table public.health_scores is 'One row per evaluation, kept for 90 days.';
comment on column public.health_scores.id is 'Identity.';
comment on column public.health_scores.score is 'Share of the points of the known components, 0 to 100; null: too little is known.';
comment on column public.health_scores.grade is 'A from 90, B from 75, C from 60, D from 40, else F; null: too little is known.';
comment on column public.health_scores.components is '{"<component>": {max, points or null, state known or unknown, inputs, explanation}}.';
comment on column public.health_scores.known_max is 'How many of the 100 points could be known.';
comment on column public.health_scores.created_at is 'When it was evaluated.';
create index health_scores_created_idx on public.health_scores (created_at desc);
comment on index public.health_scores_created_idx is 'The newest evaluations.';

create table public.backup_validations (
  id bigint generated always as identity primary key,
  valid boolean not null,
  size_bytes bigint,
  details jsonb not null default '{}',
  created_at timestamptz not null default now(),
  constraint backup_has_no_negative_size check (size_bytes >= 0)
);
comment on table public.backup_validations is 'One row per backup that was made and tried out.';
comment on column public.backup_validations.id is 'Identity.';
comment on column public.backup_validations.valid is 'Whether it could be restored.';
comment on column public.backup_validations.size_bytes is 'Size of the backup in bytes; null: not known.';
comment on column public.backup_validations.details is 'What was tried, and what failed, without secrets.';
comment on column public.backup_validations.created_at is 'When it was validated.';
create index backup_validations_created_idx on public.backup_validations (created_at desc);
comment on index public.backup_validations_created_idx is 'The newest validation.';

create table private.told_migration (
  one boolean primary key default true,
  version text not null,
  told_at timestamptz not null default now(),
  constraint there_is_one_told_migration check (one),
  constraint told_version_is_a_timestamp check (version ~ '^[0-9]{14}$')
);
comment on table private.told_migration is 'The newest migration that the deployed functions need, as they tell.';
comment on column private.told_migration.one is 'Always true.';
comment on column private.told_migration.version is 'The digits that its file name begins with.';
comment on column private.told_migration.told_at is 'When they first told this one.';

alter table public.health_scores enable row level security;
alter table public.backup_validations enable row level security;
alter table private.told_migration enable row level security;
revoke all on public.health_scores, public.backup_validations, private.told_migration from public, anon, authenticated, service_role;
revoke all on sequence public.health_scores_id_seq, public.backup_validations_id_seq from public, anon, authenticated, service_role;
grant select on public.health_scores, public.backup_validations to service_role;
grant insert (valid, size_bytes, details) on public.backup_validations to service_role;

create type private.health_component as (max integer, points numeric, inputs jsonb, explanation text);
comment on type private.health_component is
  'What each private.health_<component>(timestamptz) returns: points of max, null when there is nothing to know them by, and why, in numbers and in a sentence.';

create function private.health_integrity(p_now timestamptz) returns private.health_component
language plpgsql stable set search_path = '' as $$
declare
  v_drift record;
  v_patience interval := 3 * (select t.period from public.timers t where t.name = 'invariants');
  v_inputs jsonb;
begin
  select d.score, d.created_at into v_drift from public.drift_scores d order by d.created_at desc, d.id desc limit 1;
  v_inputs := jsonb_build_object('drift_score', v_drift.score, 'scored_at', v_drift.created_at);
  if v_drift.score is null then
    return (30, null, v_inputs, 'The data''s drift is not known: no invariant has been checked.')::private.health_component;
  elsif not coalesce(v_drift.created_at >= p_now - v_patience, false) then
    return (30, null, v_inputs, 'The data''s drift is not known: it was last scored more than three turns of the timer "invariants" ago.')::private.health_component;
  end if;
  return (30, round(30 * v_drift.score / 100.0, 2), v_inputs, format('The drift score is %s of 100.', v_drift.score))::private.health_component;
end $$;
comment on function private.health_integrity(timestamptz) is '30 points in proportion to the drift score; unknown when there is none, or the last one is older than three turns.';

create function private.recent_calls(p_now timestamptz) returns table (failed boolean, duration_ms integer)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  -- Two branches, as the index begins with the status: each is read in its order, and no further than needed. What was held back,
  -- as all is in safe mode, was not tried: else safe mode would be its own reason.
  return query select c.status = 'error', c.duration_ms
  from (
    (select e.status, e.duration_ms, e.created_at from public.integration_events e
     where e.status = 'success' and e.created_at > p_now - interval '1 hour' and e.created_at <= p_now
     order by e.created_at desc limit 10000)
    union all
    (select e.status, e.duration_ms, e.created_at from public.integration_events e
     where e.status = 'error' and e.created_at > p_now - interval '1 hour' and e.created_at <= p_now
       and e.error_code is distinct from 'circuit_open'
     order by e.created_at desc limit 10000)
  ) c
  order by c.created_at desc limit 10000;
end $$;
comment on function private.recent_calls(timestamptz) is 'The calls of integrations that were made and ended in the last hour; the newest 10,000, so that the time it takes is bounded.';

create function private.health_error_rate(p_now timestamptz) returns private.health_component
language plpgsql stable set search_path = '' as $$
declare
  v_calls integer;
  v_failed integer;
  v_rate numeric;
  v_inputs jsonb;
begin
  select count(*), count(*) filter (where c.failed) into v_calls, v_failed from private.recent_calls(p_now) c;
  v_rate := v_failed::numeric / nullif(v_calls, 0);
  v_inputs := jsonb_build_object('calls', v_calls, 'failed', v_failed, 'rate', round(v_rate, 4));
  if v_calls = 0 then
    return (20, null, v_inputs, 'No call of an integration ended in the last hour.')::private.health_component;
  end if;
  return (20, round(20 * (1 - least(1, v_rate / 0.1)), 2), v_inputs,
    format('%s of %s calls of the last hour failed (%s %%); at 10 %% no point is left.', v_failed, v_calls, round(100 * v_rate, 1)))::private.health_component;
end $$;
comment on function private.health_error_rate(timestamptz) is '20 points, less in proportion to the share of the last hour''s calls that failed, none from a tenth on; unknown without calls.';

create function private.health_latency(p_now timestamptz) returns private.health_component
language plpgsql stable set search_path = '' as $$
declare
  v_calls integer;
  v_p95 integer;
  v_inputs jsonb;
begin
  select count(*), percentile_disc(0.95) within group (order by c.duration_ms) into v_calls, v_p95
  from private.recent_calls(p_now) c where c.duration_ms is not null;
  v_inputs := jsonb_build_object('calls', v_calls, 'p95_ms', v_p95);
  if v_calls = 0 then
    return (15, null, v_inputs, 'No call of the last hour was timed.')::private.health_component;
  end if;
  return (15, case when v_p95 <= 500 then 15 when v_p95 <= 1000 then 12 when v_p95 <= 2000 then 8 when v_p95 <= 5000 then 4 else 0 end, v_inputs,
    format('95 %% of %s timed calls of the last hour took at most %s ms; 500 ms or less is full marks.', v_calls, v_p95))::private.health_component;
end $$;
comment on function private.health_latency(timestamptz) is '15, 12, 8, 4 or no points: 95 % of the last hour''s calls took at most 0.5, 1, 2 or 5 s, or more; unknown without timed calls.';

create function private.health_incidents(p_now timestamptz) returns private.health_component
language plpgsql stable set search_path = '' as $$
declare
  v_state text := (select t.state from public.timer_status t where t.name = 'incidents');
  v_open record;
  v_inputs jsonb;
begin
  select count(*) filter (where i.priority = 'P1') as p1, count(*) filter (where i.priority = 'P2') as p2,
    count(*) filter (where i.priority = 'P3') as p3, count(*) filter (where i.priority = 'P4') as p4
  into v_open from public.incidents i where i.status not in ('RESOLVED', 'CLOSED') and i.opened_at <= p_now;
  v_inputs := to_jsonb(v_open) || jsonb_build_object('timer', v_state);
  if v_state is distinct from 'on_time' then
    return (20, null, v_inputs, format('What is open is not known: the timer "incidents", which follows incidents, is %s.', coalesce(v_state, 'gone')))::private.health_component;
  end if;
  return (20, greatest(0, 20 - 10 * v_open.p1 - 5 * v_open.p2 - 2 * v_open.p3), v_inputs,
    format('Open incidents: %s P1 (10 points each), %s P2 (5), %s P3 (2), %s P4 (none).', v_open.p1, v_open.p2, v_open.p3, v_open.p4))::private.health_component;
end $$;
comment on function private.health_incidents(timestamptz) is '20 points, less 10 for each open P1, 5 for each P2, 2 for each P3; unknown when the timer that follows incidents is not on time.';

create function private.health_backup(p_now timestamptz) returns private.health_component
language plpgsql stable set search_path = '' as $$
declare
  v_backup public.backup_validations;
  v_hours numeric;
  v_inputs jsonb;
begin
  select * into v_backup from public.backup_validations b order by b.created_at desc, b.id desc limit 1;
  v_hours := extract(epoch from p_now - v_backup.created_at) / 3600;
  v_inputs := jsonb_build_object('valid', v_backup.valid, 'validated_at', v_backup.created_at, 'age_hours', round(v_hours, 1));
  if v_backup.id is null then
    return (10, null, v_inputs, 'No backup was ever validated.')::private.health_component;
  elsif not v_backup.valid then
    return (10, 0, v_inputs, 'The newest backup is not valid.')::private.health_component;
  end if;
  return (10, case when v_hours < 24 then 10 when v_hours < 48 then 6 when v_hours < 72 then 3 else 0 end, v_inputs,
    format('The newest backup was validated %s hours ago; less than 24 is full marks.', round(v_hours, 1)))::private.health_component;
end $$;
comment on function private.health_backup(timestamptz) is '10, 6, 3 or no points: the newest backup was validated less than 24, 48 or 72 hours ago, or before, or is not valid; unknown when there is none.';

create function private.health_migrations(p_now timestamptz) returns private.health_component
language plpgsql stable set search_path = '' as $$
declare
  v_version text := (select m.version from private.told_migration m where m.told_at <= p_now);
  v_applied boolean;
  v_inputs jsonb;
begin
  if to_regclass('supabase_migrations.schema_migrations') is not null then
    execute format('select exists (select from %s where version = $1)', 'supabase_migrations.schema_migrations') into v_applied using v_version;
  end if;
  v_inputs := jsonb_build_object('needed', v_version, 'applied', v_applied);
  if v_version is null then
    return (5, null, v_inputs, 'No function has told yet which migrations it needs; GET /system-health does.')::private.health_component;
  elsif v_applied is null then
    return (5, null, v_inputs, 'Which migrations are applied is not recorded here: supabase_migrations.schema_migrations is missing.')::private.health_component;
  end if;
  return (5, case when v_applied then 5 else 0 end, v_inputs,
    format('Migration %s, the newest that the functions need, is %s.', v_version, case when v_applied then 'applied' else 'not applied: run supabase db push' end))::private.health_component;
end $$;
comment on function private.health_migrations(timestamptz) is '5 points when the newest migration that the deployed functions need is applied; unknown until they have told.';

create function private.health_grade(p_score integer) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case when p_score >= 90 then 'A' when p_score >= 75 then 'B' when p_score >= 60 then 'C' when p_score >= 40 then 'D' when p_score < 40 then 'F' end;
end $$;
comment on function private.health_grade(integer) is 'A from 90, B from 75, C from 60, D from 40, else F; null without a score.';

create function private.health(p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_components jsonb;
  v_points numeric;
  v_known_max integer;
  v_score integer;
begin
  select jsonb_object_agg(c.name, jsonb_build_object('max', (c.part).max, 'points', (c.part).points,
      'state', case when (c.part).points is null then 'unknown' else 'known' end, 'inputs', (c.part).inputs, 'explanation', (c.part).explanation)),
    sum((c.part).points), coalesce(sum((c.part).max) filter (where (c.part).points is not null), 0)
  into v_components, v_points, v_known_max
  from (values
    ('integrity', private.health_integrity(p_now)),
    ('error_rate', private.health_error_rate(p_now)),
    ('latency', private.health_latency(p_now)),
    ('incidents', private.health_incidents(p_now)),
    ('backup', private.health_backup(p_now)),
    ('migrations', private.health_migrations(p_now))
  ) c (name, part);
  v_score := case when v_known_max >= 50 then round(100 * v_points / v_known_max) end;
  return jsonb_build_object('score', v_score, 'grade', private.health_grade(v_score), 'components', v_components, 'known_max', v_known_max, 'evaluated_at', p_now);
end $$;
comment on function private.health(timestamptz) is
  '{score, grade, components, known_max, evaluated_at}: the share of points that the known components have; no score when less than half of all points can be known.';

create function private.health_was_clean(p_now timestamptz, p_period interval) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(bool_and(coalesce(h.score >= 60, false) and h.gap <= interval '15 minutes'), false)
    from (
      select s.score, s.created_at - lag(s.created_at, 1, p_now - p_period) over (order by s.created_at) as gap
      from public.health_scores s where s.created_at > p_now - p_period and s.created_at <= p_now
    ) h);
end $$;
comment on function private.health_was_clean(timestamptz, interval) is
  'Whether every evaluation of the period was of grade C or better, without a gap of more than 15 minutes. What could not be scored is not clean.';

create function private.least_healthy(p_components jsonb) returns text
language plpgsql stable set search_path = '' as $$
begin
  return (
    select string_agg(w.text, ', ') from (
      select format('%s %s of %s', c.key, c.value ->> 'points', c.value ->> 'max') as text from jsonb_each(p_components) c
      where c.value ->> 'state' = 'known' order by (c.value -> 'points')::numeric / (c.value -> 'max')::numeric, c.key limit 2
    ) w);
end $$;
comment on function private.least_healthy(jsonb) is 'The two known components with the smallest share of their points, for people.';

create function private.engage_by_health(p_reason text) returns text
language plpgsql set search_path = '' as $$
begin
  perform public.enter_safe_mode(p_reason, 'health', 'system', true);
  return 'entered_safe_mode';
exception when sqlstate 'PT503' then
  -- The evaluation itself is kept, so that the next one tries again.
  perform private.audit('health', 'system', 'safe_mode.not_entered', 'system-mode', 'failed', jsonb_build_object('reason', p_reason, 'error', sqlerrm), 'error');
  return 'safe_mode_refused';
end $$;
comment on function private.engage_by_health(text) is
  'Engages safe mode: entered_safe_mode; or safe_mode_refused, which is on record, when writers did not end in time.';

create function public.evaluate_health(p_now timestamptz default now()) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_health jsonb;
  v_before public.health_scores;
  v_mode record;
  v_clean interval := make_interval(mins => (private.setting('safe_mode_clean_minutes'))::integer);
  v_change text;
begin
  perform pg_advisory_xact_lock(hashtextextended('evaluate-health', 0));
  v_health := private.health(p_now);
  -- A turn that had to wait for the lock began before what the other one stored.
  select * into v_before from public.health_scores h where h.created_at <= p_now + interval '1 minute' order by h.created_at desc, h.id desc limit 1;
  if v_before.created_at > p_now - interval '1 minute' then
    return v_health || jsonb_build_object('stored', false, 'change', null);
  end if;
  insert into public.health_scores (score, grade, components, known_max, created_at)
  values ((v_health ->> 'score')::integer, v_health ->> 'grade', v_health -> 'components', (v_health ->> 'known_max')::integer, p_now);
  delete from public.health_scores h where h.created_at < p_now - interval '90 days';

  select m.mode, m.automatic, m.changed_at into v_mode from public.system_mode m;
  if v_mode.mode = 'normal' and v_health ->> 'grade' = 'F' and v_before.grade = 'F'
    and v_before.created_at > greatest(v_mode.changed_at, p_now - interval '15 minutes')
  then
    v_change := private.engage_by_health(
      format('Health score %s of 100, grade F, twice in a row; least healthy: %s', v_health ->> 'score', private.least_healthy(v_health -> 'components')));
  elsif v_mode.mode = 'safe' and v_mode.automatic and v_mode.changed_at <= p_now - v_clean and private.health_was_clean(p_now, v_clean) then
    -- Not when a person made it his own a moment ago.
    v_change := case when private.leave_safe_mode_automatically(
      format('Health score %s of 100; grade C or better for %s minutes', v_health ->> 'score', extract(epoch from v_clean)::integer / 60)) then 'left_safe_mode' end;
  end if;
  return v_health || jsonb_build_object('stored', true, 'change', v_change);
end $$;
comment on function public.evaluate_health(timestamptz) is
  'Stores the health score. {…health, stored, change: entered_safe_mode, left_safe_mode, safe_mode_refused or null}. Two F in a row, at most 15 minutes apart and both since the mode last changed, engage safe mode: a person who leaves it while the grade is still F has until the second evaluation from then on, and longer only with the timer "health" switched off. Leaves it after a clean period, if it was engaged so. Within a minute of another evaluation it stores nothing, so that turns that were held up together do not count as several.';

create function public.read_system_health(p_migration text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_mode text := (select m.mode from public.system_mode m);
begin
  if p_migration !~ '^[0-9]{14}$' then
    raise exception using errcode = 'PT422', hint = 'health.migration_malformed',
      message = 'That is no version of a migration. Give the 14 digits that the name of the newest migration begins with.';
  end if;
  insert into private.told_migration as t (version) select p_migration where p_migration is not null
  on conflict (one) do update set version = excluded.version, told_at = now() where t.version <> excluded.version;
  return private.health(now()) || jsonb_build_object('mode', v_mode, 'safeMode', v_mode = 'safe');
end $$;
comment on function public.read_system_health(text) is
  '{score, grade, safeMode, components, known_max, evaluated_at, mode} as it is now. p_migration: the newest migration that the caller needs, which is remembered. Raises health.migration_malformed.';

revoke execute on function private.health_integrity(timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.recent_calls(timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.health_error_rate(timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.health_latency(timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.health_incidents(timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.health_backup(timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.health_migrations(timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.health_grade(integer) from public, anon, authenticated, service_role;
revoke execute on function private.health(timestamptz) from public, anon, authenticated, service_role;
revoke execute on function private.health_was_clean(timestamptz, interval) from public, anon, authenticated, service_role;
revoke execute on function private.engage_by_health(text) from public, anon, authenticated, service_role;
revoke execute on function private.least_healthy(jsonb) from public, anon, authenticated, service_role;
revoke execute on function public.evaluate_health(timestamptz) from public, anon, authenticated;
revoke execute on function public.read_system_health(text) from public, anon, authenticated;
grant execute on function public.evaluate_health(timestamptz) to service_role;
grant execute on function public.read_system_health(text) to service_role;

insert into public.timers (name, schedule, command, description) values (
  'health', '*/5 * * * *', 'select public.evaluate_health()', 'Stores the health score, and engages or leaves safe mode by it.'
);
