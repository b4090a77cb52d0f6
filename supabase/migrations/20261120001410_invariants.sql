-- What must be true of the data, always: which function finds what breaks it, and what it found.

create table public.invariants (
  name text primary key,
  description text,
  priority text not null,
  check_function text not null,
  correct_function text,
  watches jsonb not null default '{}',
  enabled boolean not null default true,
  incident_threshold integer not null default 1,
  correct_limit integer not null default 100,
  statement_timeout interval not null default '30 seconds',
  watermark pg_snapshot,
  full_at timestamptz,
  last_run_at timestamptz,
  last_ok_at timestamptz,
  last_error jsonb,
  open_violations bigint not null default 0,
  truncated boolean not null default false,
  constraint invariants_name_is_upper_snake_case check (name ~ '^[A-Z][A-Z0-9_]{0,99}$'),
  constraint invariants_priority_is_known check (priority in ('P1', 'P2', 'P3', 'P4')),
  constraint invariants_incident_threshold_is_positive check (incident_threshold > 0),
  constraint invariants_correct_limit_is_positive check (correct_limit > 0),
  constraint invariants_statement_timeout_is_a_second_to_ten_minutes check (statement_timeout between interval '1 second' and interval '10 minutes'),
  constraint invariants_open_violations_is_a_count check (open_violations >= 0)
);
comment on table public.invariants is 'What must be true of the data; register_invariant() adds and changes them.';
comment on column public.invariants.name is 'Upper snake case, for example NO_NEGATIVE_STOCK.';
comment on column public.invariants.description is 'What it says, for people.';
comment on column public.invariants.priority is 'P1 (worst) to P4: of its incidents, and what it costs the drift score.';
comment on column public.invariants.check_function is 'Function (text[]) that returns what breaks it: entity, expected, actual, details.';
comment on column public.invariants.correct_function is 'Function (text[]) that mends entities and returns the rows it changed, as they were; null when people must look.';
comment on column public.invariants.watches is 'Table to column that names the entity; what changes there is recorded. Empty: every run looks at everything.';
comment on column public.invariants.enabled is 'False: the timer does not run it, and it counts for nothing.';
comment on column public.invariants.incident_threshold is 'From how many open violations on an incident opens.';
comment on column public.invariants.correct_limit is 'With more violations than this, none is corrected and people must look.';
comment on column public.invariants.statement_timeout is 'How long the timer lets it run.';
comment on column public.invariants.watermark is 'Which transactions the last run that succeeded had seen; null: the next run looks at everything.';
comment on column public.invariants.full_at is 'When it last looked at everything.';
comment on column public.invariants.last_run_at is 'When it last ran, well or not.';
comment on column public.invariants.last_ok_at is 'When its check last gave an answer; earlier than last_run_at: the last check failed.';
comment on column public.invariants.last_error is 'What went wrong in the last run, {code, message}; null when nothing did.';
comment on column public.invariants.open_violations is 'How many violations there are, stored or not.';
comment on column public.invariants.truncated is 'There are more violations than are stored, so the next run must look at everything.';

create table public.invariant_violations (
  id bigint generated always as identity primary key,
  invariant text not null references public.invariants (name) on delete cascade,
  entity text not null,
  expected text,
  actual text,
  details jsonb,
  detected_at timestamptz not null,
  seen_at timestamptz not null,
  cleared_at timestamptz,
  cleared_by text,
  constraint invariant_violations_entity_is_no_longer_than_500_characters check (length(entity) <= 500),
  constraint invariant_violations_cleared_by_is_known check (cleared_by in ('gone', 'corrected')),
  constraint invariant_violations_what_is_cleared_says_how check ((cleared_at is null) = (cleared_by is null))
);
comment on table public.invariant_violations is 'What broke an invariant: open, and then cleared; never deleted.';
comment on column public.invariant_violations.id is 'Rises with every violation.';
comment on column public.invariant_violations.invariant is 'What is violated.';
comment on column public.invariant_violations.entity is 'Key of what violates it, as text.';
comment on column public.invariant_violations.expected is 'What would be right.';
comment on column public.invariant_violations.actual is 'What is there.';
comment on column public.invariant_violations.details is 'What else the check says, cut at about 2 kB.';
comment on column public.invariant_violations.detected_at is 'The run that found it first.';
comment on column public.invariant_violations.seen_at is 'The last run that found it.';
comment on column public.invariant_violations.cleared_at is 'The run that did not find it any more; null while it is open.';
comment on column public.invariant_violations.cleared_by is 'gone: it was mended outside; corrected: by the invariant''s own function.';

create unique index invariant_violations_open_idx on public.invariant_violations (invariant, entity) where cleared_at is null;
comment on index public.invariant_violations_open_idx is 'An entity violates an invariant once at a time.';
create index invariant_violations_history_idx on public.invariant_violations (invariant, id desc);
comment on index public.invariant_violations_history_idx is 'The violations of one invariant, newest first.';

insert into public.settings (name, value, description) values
  ('max_stored_violations', '10000', 'How many open violations of one invariant are stored; all of them are counted.'),
  ('invariant_full_share', '0.2', 'From which share of changed entities on a run looks at all of them instead.'),
  ('invariant_full_recheck_hours', '6', 'After how many hours an invariant is checked in full again, whatever changed. One such recheck a cycle.');

alter table public.invariants enable row level security;
alter table public.invariant_violations enable row level security;
revoke all on public.invariants, public.invariant_violations from public, anon, authenticated, service_role;
grant select on public.invariants, public.invariant_violations to service_role;

create function private.find_invariant_function(p_name text, p_result text, p_code text) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_parts text[];
  v_name text;
  v_result text;
begin
  begin
    v_parts := parse_ident(p_name);
  exception when invalid_parameter_value then
    v_parts := '{}';
  end;
  select format('%I.%I', n.nspname, p.proname), pg_get_function_result(p.oid) into v_name, v_result
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where p.proname = v_parts[cardinality(v_parts)] and n.nspname = case cardinality(v_parts) when 1 then 'public' else v_parts[1] end
    and p.prokind = 'f' and oidvectortypes(p.proargtypes) = 'text[]';
  if v_name is null then
    raise exception using errcode = 'PT422', hint = p_code,
      message = format('There is no function %s(text[]). Create it first, and name its schema unless that is public.', p_name);
  elsif v_result <> p_result then
    raise exception using errcode = 'PT422', hint = p_code,
      message = format('Function %s(text[]) returns %s. It must return %s.', v_name, v_result, p_result);
  end if;
  return v_name;
end $$;
comment on function private.find_invariant_function(text, text, text) is
  'The full name of a function (text[]) with this result; raises the code that is given, invariant.check_invalid or invariant.correct_invalid.';

create function private.try_check(p_check text) returns void
language plpgsql set search_path = '' as $$
begin
  execute format('select from %s($1) f (entity, expected, actual, details)', p_check) using '{}'::text[];
exception when others then
  raise exception using errcode = 'PT422', hint = 'invariant.check_invalid',
    message = format('Function %s(text[]) does not run: %s. It runs with an empty search path, so name the schema of all that it uses.', p_check, sqlerrm);
end $$;
comment on function private.try_check(text) is 'Runs a check over no entity; raises invariant.check_invalid when it fails.';

create function public.register_invariant(
  p_name text, p_check text, p_priority text, p_watches jsonb default '{}', p_correct text default null, p_description text default null,
  p_statement_timeout interval default '30 seconds', p_incident_threshold integer default 1, p_correct_limit integer default 100
) returns void
language plpgsql set search_path = '' as $$
declare
  v_check text := private.find_invariant_function(p_check, 'TABLE(entity text, expected text, actual text, details jsonb)', 'invariant.check_invalid');
  v_correct text;
  v_constraint text;
begin
  if p_correct is not null then
    v_correct := private.find_invariant_function(p_correct, 'SETOF jsonb', 'invariant.correct_invalid');
  end if;
  perform private.try_check(v_check);
  insert into public.invariants as i (
    name, description, priority, check_function, correct_function, watches, incident_threshold, correct_limit, statement_timeout)
  values (p_name, p_description, p_priority, v_check, v_correct, private.qualified_watches(p_watches), p_incident_threshold, p_correct_limit, p_statement_timeout)
  on conflict (name) do update set
    description = excluded.description, priority = excluded.priority, check_function = excluded.check_function,
    correct_function = excluded.correct_function, watches = excluded.watches, incident_threshold = excluded.incident_threshold,
    correct_limit = excluded.correct_limit, statement_timeout = excluded.statement_timeout, watermark = null;
  perform private.install_watches();
  perform private.audit('invariants', session_user, 'invariant.registered', 'invariant:' || p_name, 'registered', jsonb_build_object(
    'priority', p_priority, 'check', v_check, 'correct', v_correct, 'watches', p_watches));
exception when check_violation or not_null_violation then
  get stacked diagnostics v_constraint = constraint_name;
  raise exception using errcode = 'PT422', hint = 'invariant.invalid',
    message = format('Invariant "%s" was not registered: %s.', p_name, coalesce(nullif(replace(v_constraint, '_', ' '), ''), sqlerrm));
end $$;
comment on function public.register_invariant(text, text, text, jsonb, text, text, interval, integer, integer) is
  'Adds an invariant, or changes the one of that name; see .github/INTEGRITY.md. For the owner only. Raises invariant.check_invalid, invariant.correct_invalid, invariant.watch_invalid, invariant.invalid.';

create function public.set_invariant_enabled(p_name text, p_enabled boolean, p_actor text default current_user) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update public.invariants i set enabled = p_enabled, watermark = null where i.name = p_name and i.enabled <> p_enabled;
  if not found then
    perform private.refuse_unknown_invariant(p_name);
    return;
  end if;
  perform private.install_watches();
  perform private.audit('invariants', p_actor, case when p_enabled then 'invariant.enabled' else 'invariant.disabled' end,
    'invariant:' || p_name, case when p_enabled then 'enabled' else 'disabled' end);
end $$;
comment on function public.set_invariant_enabled(text, boolean, text) is
  'Switches an invariant on or off; its violations stay as they are. Raises invariant.unknown.';

create function private.refuse_unknown_invariant(p_name text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not exists (select from public.invariants i where i.name = p_name) then
    raise exception using errcode = 'PT404', hint = 'invariant.unknown',
      message = format('There is no invariant "%s". Look at read_invariants_status() for their names.', p_name);
  end if;
end $$;
comment on function private.refuse_unknown_invariant(text) is 'Raises invariant.unknown when there is no invariant of that name.';

create function private.schedule_invariants() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_command text;
begin
  -- One after the other, so that the last one sees what the others changed.
  perform pg_advisory_xact_lock(hashtext('invariants.schedule'));
  -- Each statement of a command has a timeout of its own, which a function cannot give itself. Where pg_cron runs
  -- commands in background workers (cron.use_background_workers), it has its role's for the whole command only.
  -- What is corrected stays locked until the cycle ends, also for whoever engages safe mode: so corrections come last.
  select string_agg(format('set local statement_timeout = %L; select private.run_scheduled_invariant(%L); ',
    (extract(epoch from i.statement_timeout) * 1000)::bigint || 'ms', i.name), '' order by i.correct_function is not null, i.priority, i.name) into v_command
  from public.invariants i where i.enabled;
  v_command := coalesce(v_command, '') || 'set local statement_timeout = ''60s''; select private.finish_invariant_cycle()';
  insert into public.timers as t (name, schedule, command, description)
  values ('invariants', '*/5 * * * *', v_command, 'Runs the invariants, and scores the drift.')
  on conflict (name) do update set command = excluded.command where t.command <> excluded.command;
  return null;
end $$;
comment on function private.schedule_invariants() is 'Trigger function: writes the command of the timer invariants anew.';

create trigger invariants_are_scheduled after insert or delete or update of name, priority, correct_function, enabled, statement_timeout on public.invariants
for each statement execute function private.schedule_invariants();
comment on trigger invariants_are_scheduled on public.invariants is 'The timer runs the invariants that are enabled, the most urgent first; those that correct come last.';

revoke execute on function private.find_invariant_function(text, text, text), private.try_check(text), private.refuse_unknown_invariant(text),
  private.schedule_invariants() from public, anon, authenticated, service_role;
revoke execute on function public.register_invariant(text, text, text, jsonb, text, text, interval, integer, integer)
  from public, anon, authenticated, service_role;
revoke execute on function public.set_invariant_enabled(text, boolean, text) from public, anon, authenticated;
grant execute on function public.set_invariant_enabled(text, boolean, text) to service_role;
