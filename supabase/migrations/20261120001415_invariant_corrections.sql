-- Mending what breaks an invariant: only what stays wrong, only a little of it, and on record.

create function private.call_correct(p_invariant public.invariants, p_entities text[], out changed jsonb, out error jsonb)
language plpgsql set search_path = '' as $$
begin
  execute format('select coalesce(jsonb_agg(c.changed), ''[]'') from %s($1) c (changed)', p_invariant.correct_function) into changed using p_entities;
exception when query_canceled then
  if sqlerrm not like '%statement timeout%' then
    raise;
  end if;
  error := private.invariant_error('invariant.correct_failed', 'The correction was cancelled by the statement timeout; nothing was corrected.');
when others or assert_failure then
  error := private.invariant_error('invariant.correct_failed', format('The correction failed, nothing was corrected: %s (%s).', left(sqlerrm, 400), sqlstate));
end $$;
comment on function private.call_correct(public.invariants, text[]) is
  'Calls the function that mends entities. changed: the rows it changed, as they were; error: why it changed nothing.';

create function private.correct_violations(
  p_invariant public.invariants, p_dry_run boolean, p_now timestamptz, out corrected bigint, out changed jsonb, out error jsonb
)
language plpgsql set search_path = '' as $$
declare
  v_entities text[];
  v_check record;
begin
  corrected := 0;
  changed := '[]';
  -- Found by an earlier run, and again by this one; a dry run shows what the next one would do.
  v_entities := array(select v.entity from public.invariant_violations v
    where v.invariant = p_invariant.name and v.cleared_at is null and v.seen_at = p_now and (v.detected_at < p_now or p_dry_run) order by v.entity);
  if p_invariant.correct_function is null or v_entities = '{}' then
    return;
  elsif private.is_safe_mode() then
    return;
  elsif cardinality(v_entities) > p_invariant.correct_limit then
    error := private.invariant_error('invariant.too_many_to_correct', format(
      '%s violations would be corrected, more than the limit of %s: nothing was. Find their cause, then mend them or register a higher p_correct_limit.',
      cardinality(v_entities), p_invariant.correct_limit));
    if p_invariant.last_error ->> 'code' is distinct from error ->> 'code' then
      perform private.audit('invariants', 'system', 'invariant.correction_refused', 'invariant:' || p_invariant.name, 'refused', error, 'decision');
    end if;
    return;
  end if;
  select * into changed, error from private.call_correct(p_invariant, v_entities);
  if error is not null then
    changed := '[]';
    return;
  end if;
  perform private.audit('invariants', 'system', 'invariant.corrected', 'invariant:' || p_invariant.name, 'corrected',
    jsonb_build_object('row_before', r.row_before)) from jsonb_array_elements(changed) r (row_before);
  select * into v_check from private.run_check(p_invariant, v_entities);
  error := v_check.error;
  update public.invariant_violations v set cleared_at = p_now, cleared_by = 'corrected'
  where v.invariant = p_invariant.name and v.cleared_at is null and v.entity = any (v_entities) and v_check.error is null
    and v.entity not in (select f.entity from jsonb_to_recordset(v_check.violations) f (entity text));
  get diagnostics corrected = row_count;
end $$;
comment on function private.correct_violations(public.invariants, boolean, timestamptz) is
  'Mends what an earlier run had found already, unless there is too much of it or the mode is safe. corrected: how many violations are gone; changed: the rows as they were; error: why not.';

revoke execute on function private.call_correct(public.invariants, text[]), private.correct_violations(public.invariants, boolean, timestamptz)
  from public, anon, authenticated, service_role;
