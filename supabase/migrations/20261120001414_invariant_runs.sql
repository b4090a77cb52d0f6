-- Running an invariant: what to look at, the check that can only read, and what it found.

create table public.invariant_runs (
  id bigint generated always as identity primary key,
  invariant text not null references public.invariants (name) on delete cascade,
  mode text not null,
  reason text not null,
  started_at timestamptz not null,
  duration_ms integer not null,
  checked bigint,
  found bigint,
  opened bigint not null,
  cleared bigint not null,
  corrected bigint not null,
  error jsonb,
  constraint invariant_runs_mode_is_known check (mode in ('full', 'incremental'))
);
comment on table public.invariant_runs is 'Every run of an invariant, kept for 30 days.';
comment on column public.invariant_runs.id is 'Rises with every run.';
comment on column public.invariant_runs.invariant is 'What was checked.';
comment on column public.invariant_runs.mode is 'full or incremental.';
comment on column public.invariant_runs.reason is 'Why so: changes (incremental); or asked, unwatched, first, truncated, restored, unseen, recheck, everything, many; unknown when the run broke off.';
comment on column public.invariant_runs.started_at is 'When it began.';
comment on column public.invariant_runs.duration_ms is 'How long it took, in milliseconds.';
comment on column public.invariant_runs.checked is 'How many entities were looked at; null means all.';
comment on column public.invariant_runs.found is 'How many of them break the invariant; null when the check failed.';
comment on column public.invariant_runs.opened is 'Violations that are new.';
comment on column public.invariant_runs.cleared is 'Violations that were gone.';
comment on column public.invariant_runs.corrected is 'Violations that were corrected.';
comment on column public.invariant_runs.error is 'What went wrong, {code, message}; null when nothing did.';

create index invariant_runs_history_idx on public.invariant_runs (invariant, started_at desc);
comment on index public.invariant_runs_history_idx is 'The runs of one invariant, newest first.';

alter table public.invariant_runs enable row level security;
revoke all on public.invariant_runs from public, anon, authenticated, service_role;
grant select on public.invariant_runs to service_role;

create function private.needs_full_run(p_invariant public.invariants, p_mode text, p_watermark pg_snapshot, p_now timestamptz) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_recheck_before timestamptz := p_now - private.setting('invariant_full_recheck_hours')::integer * interval '1 hour';
begin
  return case
    when p_mode = 'full' then 'asked'
    when p_invariant.watches = '{}' then 'unwatched'
    when p_invariant.watermark is null then 'first'
    when p_invariant.truncated then 'truncated'
    when pg_snapshot_xmax(p_invariant.watermark) > pg_snapshot_xmax(p_watermark) then 'restored'
    when not private.changes_are_recorded(p_invariant.watches) then 'unseen'
    when p_mode = 'auto' and p_invariant.full_at < v_recheck_before
      and not exists (select from public.invariants i where i.enabled and i.last_ok_at = i.last_run_at and i.watches <> '{}' and (i.full_at, i.name) < (p_invariant.full_at, p_invariant.name))
      and not exists (select from public.invariant_runs r where r.reason = 'recheck' and r.started_at > p_now - interval '1 minute') then 'recheck'
  end;
end $$;
comment on function private.needs_full_run(public.invariants, text, pg_snapshot, timestamptz) is
  'Why a run must look at everything, as invariant_runs.reason says it; null when what changed is enough.';

create function private.choose_run(
  p_invariant public.invariants, p_mode text, p_now timestamptz,
  out mode text, out reason text, out entities text[], out watermark pg_snapshot
)
language plpgsql set search_path = '' as $$
declare
  v_everything boolean;
  v_many boolean;
begin
  -- Before the changes are read: what is committed in between is read twice, never missed.
  watermark := private.current_watermark();
  mode := 'full';
  reason := private.needs_full_run(p_invariant, p_mode, watermark, p_now);
  if reason is not null then
    return;
  end if;
  with change as materialized (
    select c.keys from private.entity_changes c
    where p_invariant.watches ->> c.table_name = c.column_name
      and c.xid >= pg_snapshot_xmin(p_invariant.watermark) and not pg_visible_in_snapshot(c.xid, p_invariant.watermark)
  ), size as (
    select coalesce(bool_or(c.keys is null), false) as everything, coalesce(sum(cardinality(c.keys)), 0) as keys from change c
  )
  select s.everything, case when not s.everything and s.keys <= 100000 then array(
    select k.key from change c cross join lateral unnest(c.keys) k (key) where k.key is not null group by k.key) end
  into v_everything, entities from size s;
  if v_everything then
    reason := 'everything';
    return;
  end if;
  v_many := entities is null;
  -- A thousand are looked at faster than it takes to find out how many there are.
  if p_mode = 'auto' and cardinality(entities) > 1000 then
    v_many := cardinality(entities) > private.setting('invariant_full_share')::numeric * private.estimated_entities(p_invariant.watches);
  end if;
  if v_many then
    reason := 'many';
    entities := null;
    return;
  end if;
  mode := 'incremental';
  reason := 'changes';
  -- What is wrong is looked at again, so that it can be corrected though nobody touches it.
  entities := array(select unnest(entities) union
    select v.entity from public.invariant_violations v where v.invariant = p_invariant.name and v.cleared_at is null);
end $$;
comment on function private.choose_run(public.invariants, text, timestamptz) is
  'What a run is to look at: all entities (null) or those that changed since the watermark and those that break the invariant; why; and the watermark to keep when it succeeds.';

create function private.invariant_error(p_code text, p_message text) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return jsonb_build_object('code', p_code, 'message', left(p_message, 500));
end $$;
comment on function private.invariant_error(text, text) is 'What went wrong, as it is stored and answered.';

create function private.run_check(p_invariant public.invariants, p_entities text[], out violations jsonb, out total bigint, out error jsonb)
language plpgsql set search_path = '' as $$
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    execute format(
      'with found as materialized (
         select distinct on (c.entity) c.entity, c.expected, c.actual, c.details from %s($1) c (entity, expected, actual, details) order by c.entity
       ), open as materialized (
         select v.entity from public.invariant_violations v where v.invariant = $2 and v.cleared_at is null
       ), kept as (
         (select f.* from found f where exists (select from open o where o.entity = f.entity))
         union all
         (select f.* from found f where not exists (select from open o where o.entity = f.entity) order by f.entity limit $3)
       )
       select (select count(*) from found), (select coalesce(jsonb_agg(jsonb_build_object(''entity'', k.entity, ''expected'', left(k.expected, 500),
         ''actual'', left(k.actual, 500), ''details'', private.cut(k.details, 2000))), ''[]'') from kept k),
         case when (select bool_or(coalesce(length(f.entity), 501) > 500) from found f) then private.invariant_error(''invariant.failed'',
           ''The check returned an entity without a name, or with one of more than 500 characters.'') end', p_invariant.check_function)
    into total, violations, error
    using p_entities, p_invariant.name, private.setting('max_stored_violations')::integer;
    -- Whatever the check did is undone; the variables stay. (PT000 would be the whole class of PT errors.)
    raise exception using errcode = 'PT001';
  exception when sqlstate 'PT001' then
    if total is null then
      error := private.invariant_error('invariant.failed', 'The check raised PT001.');
    end if;
  when query_canceled then
    if sqlerrm not like '%statement timeout%' then
      raise;
    end if;
    error := private.invariant_error('invariant.timeout', format(
      'The check was cancelled by the statement timeout after %s. Make it faster, or register it with a longer p_statement_timeout.',
      date_trunc('second', clock_timestamp() - statement_timestamp())));
  when others or assert_failure then
    error := private.invariant_error('invariant.failed', format('The check failed: %s (%s).', left(sqlerrm, 400), sqlstate));
  end;
end $$;
comment on function private.run_check(public.invariants, text[]) is
  'Runs a check in a transaction that can only read. violations: what it found, all that are open already and at most max_stored_violations more; total: how many there are; error: why it gave no answer.';

create function private.store_violations(
  p_name text, p_found jsonb, p_total bigint, p_entities text[], p_now timestamptz, out opened bigint, out cleared bigint, out open bigint, out truncated boolean
)
language plpgsql set search_path = '' as $$
declare
  v_stored bigint;
  v_seen bigint;
begin
  select count(*) into v_stored from public.invariant_violations v where v.invariant = p_name and v.cleared_at is null;
  update public.invariant_violations v set expected = f.expected, actual = f.actual, details = f.details, seen_at = p_now
  from jsonb_to_recordset(p_found) f (entity text, expected text, actual text, details jsonb)
  where v.invariant = p_name and v.entity = f.entity and v.cleared_at is null;
  get diagnostics v_seen = row_count;
  update public.invariant_violations v set cleared_at = p_now, cleared_by = 'gone'
  where v.invariant = p_name and v.cleared_at is null and (p_entities is null or v.entity = any (p_entities))
    and v.entity not in (select f.entity from jsonb_to_recordset(p_found) f (entity text));
  get diagnostics cleared = row_count;
  insert into public.invariant_violations (invariant, entity, expected, actual, details, detected_at, seen_at)
  select p_name, f.entity, f.expected, f.actual, f.details, p_now, p_now
  from jsonb_to_recordset(p_found) f (entity text, expected text, actual text, details jsonb)
  where not exists (select from public.invariant_violations v where v.invariant = p_name and v.entity = f.entity and v.cleared_at is null)
  limit greatest(private.setting('max_stored_violations')::bigint - (v_stored - cleared), 0);
  get diagnostics opened = row_count;
  open := v_stored - cleared + p_total - v_seen;
  truncated := open > v_stored - cleared + opened;
end $$;
comment on function private.store_violations(text, jsonb, bigint, text[], timestamptz) is
  'Brings the stored violations in line with what a run found among the entities it looked at (null: all). open counts those beyond max_stored_violations, too; truncated says that there are such.';

create function private.open_violations(p_name text, p_limit integer) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(v) - '{cleared_at,cleared_by}'::text[] order by v.id desc), '[]')
    from (select o.* from public.invariant_violations o where o.cleared_at is null and (p_name is null or o.invariant = p_name) order by o.id desc limit p_limit) v);
end $$;
comment on function private.open_violations(text, integer) is 'Open violations of an invariant, or of all, the newest first.';

create function private.execute_run(p_invariant public.invariants, p_mode text, p_dry_run boolean, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_started timestamptz := clock_timestamp();
  v_run record;
  v_check record;
  v_stored record;
  v_mended record;
  v_error jsonb;
  v_open bigint := p_invariant.open_violations;
  v_duration integer;
begin
  select * into v_run from private.choose_run(p_invariant, p_mode, p_now);
  select * into v_check from private.run_check(p_invariant, v_run.entities);
  v_error := v_check.error;
  select 0::bigint as opened, 0::bigint as cleared into v_stored;
  select 0::bigint as corrected, '[]'::jsonb as changed into v_mended;
  if v_check.error is null then
    select * into v_stored from private.store_violations(p_invariant.name, v_check.violations, v_check.total, v_run.entities, p_now);
    select * into v_mended from private.correct_violations(p_invariant, p_dry_run, p_now);
    v_error := v_mended.error;
    v_open := v_stored.open - v_mended.corrected;
    update public.invariants i
    set last_ok_at = p_now, watermark = v_run.watermark, full_at = case v_run.mode when 'full' then p_now else i.full_at end,
      open_violations = v_open, truncated = v_stored.truncated
    where i.name = p_invariant.name;
  end if;
  update public.invariants i set last_run_at = p_now, last_error = v_error where i.name = p_invariant.name;
  v_duration := extract(epoch from clock_timestamp() - v_started) * 1000;
  insert into public.invariant_runs (invariant, mode, reason, started_at, duration_ms, checked, found, opened, cleared, corrected, error)
  values (p_invariant.name, v_run.mode, v_run.reason, p_now, v_duration, cardinality(v_run.entities), v_check.total,
    v_stored.opened, v_stored.cleared, v_mended.corrected, v_error);
  return jsonb_build_object('invariant', p_invariant.name, 'priority', p_invariant.priority, 'mode', v_run.mode, 'checked', cardinality(v_run.entities),
    'open_violations', v_open, 'opened', v_stored.opened, 'cleared', v_stored.cleared, 'corrected', v_mended.corrected,
    'would_correct', case when p_dry_run then private.first_rows(v_mended.changed) else '[]' end, 'duration_ms', v_duration, 'error', v_error,
    'violations', private.open_violations(p_invariant.name, 20));
end $$;
comment on function private.execute_run(public.invariants, text, boolean, timestamptz) is
  'One run from what to look at to its record; the answer of run_invariant().';

create function private.first_rows(p_rows jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return (select coalesce(jsonb_agg(private.cut(r.value, 2000) order by r.place), '[]') from jsonb_array_elements(p_rows) with ordinality r (value, place) where r.place <= 20);
end $$;
comment on function private.first_rows(jsonb) is 'The first 20 rows, each of bounded size.';

create function public.run_invariant(p_name text, p_mode text default 'auto', p_dry_run boolean default false, p_now timestamptz default now()) returns jsonb
-- What PostgREST takes from here, at the beginning of its transaction, in place of the role's own timeout.
language plpgsql security definer set search_path = '' set statement_timeout = '35s' as $$
declare
  v_invariant public.invariants;
  v_answer jsonb;
begin
  if p_mode is null or p_mode not in ('auto', 'full', 'incremental') then
    raise exception using errcode = 'PT422', hint = 'invariant.mode_unknown',
      message = format('There is no mode "%s". Use auto, full or incremental.', p_mode);
  end if;
  select i.* into v_invariant from public.invariants i where i.name = p_name for no key update skip locked;
  if not found then
    perform private.refuse_unknown_invariant(p_name);
    raise exception using errcode = 'PT409', hint = 'invariant.busy',
      message = format('Invariant "%s" is being run or changed by somebody else. Try again when that is over.', p_name);
  end if;
  begin
    v_answer := private.execute_run(v_invariant, p_mode, coalesce(p_dry_run, false), p_now);
    if p_dry_run then
      raise exception using errcode = 'PT001';
    end if;
  exception when sqlstate 'PT001' then
    null;
  end;
  return v_answer;
end $$;
comment on function public.run_invariant(text, text, boolean, timestamptz) is
  'Checks an invariant now and returns {invariant, priority, mode, checked, open_violations, opened, cleared, corrected, would_correct, duration_ms, error, violations}; p_mode is auto, full or incremental (full where that is not enough). A dry run changes nothing and shows what would be corrected. Raises invariant.unknown, invariant.busy, invariant.mode_unknown.';

create function private.run_scheduled_invariant(p_name text) returns void
language plpgsql set search_path = '' as $$
declare
  v_error jsonb;
begin
  perform public.run_invariant(p_name);
exception when sqlstate 'PT404' or sqlstate 'PT409' then
  -- It was removed a moment ago, or somebody runs it already.
  return;
when query_canceled or assert_failure or others then
  if sqlstate = '57014' and sqlerrm not like '%statement timeout%' then
    raise;
  end if;
  v_error := private.invariant_error(case sqlstate when '57014' then 'invariant.timeout' else 'invariant.failed' end,
    format('The run could not be completed: %s (%s).', left(sqlerrm, 400), sqlstate));
  update public.invariants i set last_run_at = now(), last_error = v_error where i.name = p_name;
  insert into public.invariant_runs (invariant, mode, reason, started_at, duration_ms, opened, cleared, corrected, error)
  values (p_name, 'full', 'unknown', now(), 0, 0, 0, 0, v_error);
end $$;
comment on function private.run_scheduled_invariant(text) is
  'Runs an invariant for the timer: whatever is wrong with it is recorded as its error, and holds up no other.';

revoke execute on function private.needs_full_run(public.invariants, text, pg_snapshot, timestamptz),
  private.choose_run(public.invariants, text, timestamptz), private.invariant_error(text, text),
  private.run_check(public.invariants, text[]), private.store_violations(text, jsonb, bigint, text[], timestamptz),
  private.open_violations(text, integer), private.execute_run(public.invariants, text, boolean, timestamptz), private.first_rows(jsonb),
  private.run_scheduled_invariant(text) from public, anon, authenticated, service_role;
revoke execute on function public.run_invariant(text, text, boolean, timestamptz) from public, anon, authenticated;
grant execute on function public.run_invariant(text, text, boolean, timestamptz) to service_role;
