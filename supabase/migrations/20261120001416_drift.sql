-- How far the data are from what must be true of them: one number, and what each lost point is for.

create table public.drift_scores (
  id bigint generated always as identity primary key,
  score integer,
  lost jsonb not null,
  unknown jsonb not null,
  created_at timestamptz not null,
  constraint drift_scores_score_is_between_0_and_100 check (score between 0 and 100)
);
comment on table public.drift_scores is 'The drift score over time, kept for a year.';
comment on column public.drift_scores.id is 'Rises with every score.';
comment on column public.drift_scores.score is '100 minus what violated invariants cost; null when none could be checked.';
comment on column public.drift_scores.lost is 'What the points were lost for: [{invariant, priority, violations, points}], the points sum up to 100 minus the score.';
comment on column public.drift_scores.unknown is 'Invariants that could not be checked and cost nothing: [{invariant, why}].';
comment on column public.drift_scores.created_at is 'When it was scored.';

create index drift_scores_created_at_idx on public.drift_scores (created_at desc);
comment on index public.drift_scores_created_at_idx is 'The newest score, and those too old to keep.';

alter table public.drift_scores enable row level security;
revoke all on public.drift_scores from public, anon, authenticated, service_role;
grant select on public.drift_scores to service_role;

create function private.why_unknown(p_invariant public.invariants, p_now timestamptz) returns text
language plpgsql stable set search_path = '' as $$
begin
  return case
    when p_invariant.last_run_at is null then 'It never ran.'
    when p_invariant.last_error ->> 'code' in ('invariant.failed', 'invariant.timeout') then p_invariant.last_error ->> 'message'
    when p_invariant.last_ok_at < p_now - interval '15 minutes' then 'It did not run for 15 minutes.'
  end;
end $$;
comment on function private.why_unknown(public.invariants, timestamptz) is
  'Why nobody knows whether an invariant holds: it never ran, its last check failed, or it missed three cycles; null when it is known.';

create function private.lost_points(p_now timestamptz) returns table (invariant text, priority text, violations bigint, points integer)
language plpgsql stable set search_path = '' as $$
begin
  return query
  with cost as (
    select i.name, i.priority, i.open_violations,
      ceil(case i.priority when 'P1' then 25 when 'P2' then 10 when 'P3' then 4 else 1 end * least(2, 1 + log(i.open_violations::numeric)))::integer as points
    from public.invariants i
    where i.enabled and i.open_violations > 0 and private.why_unknown(i, p_now) is null
  ), ordered as (
    select c.*, sum(c.points) over (order by c.priority, c.name) - c.points as lost_before from cost c
  )
  select o.name, o.priority, o.open_violations, least(o.points, greatest(100 - o.lost_before, 0))::integer
  from ordered o order by o.priority, o.name;
end $$;
comment on function private.lost_points(timestamptz) is
  'What each violated invariant costs: its weight (P1 25, P2 10, P3 4, P4 1) times 1 + log10 of the number of violations, at most 2, rounded up; together no more than 100.';

create function public.score_drift(p_now timestamptz default now()) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_lost jsonb;
  v_unknown jsonb;
  v_score integer;
begin
  select coalesce(jsonb_agg(to_jsonb(l)), '[]'), 100 - coalesce(sum(l.points), 0) into v_lost, v_score from private.lost_points(p_now) l;
  select coalesce(jsonb_agg(jsonb_build_object('invariant', u.name, 'why', u.why) order by u.priority, u.name) filter (where u.why is not null), '[]'),
    case when bool_or(u.why is null) then v_score end
  into v_unknown, v_score
  from (select i.name, i.priority, private.why_unknown(i, p_now) as why from public.invariants i where i.enabled) u;
  insert into public.drift_scores (score, lost, unknown, created_at) values (v_score, v_lost, v_unknown, p_now);
  return jsonb_build_object('score', v_score, 'lost', v_lost, 'unknown', v_unknown);
end $$;
comment on function public.score_drift(timestamptz) is
  'Scores the drift and stores it: {score, lost, unknown}. The score is null when no enabled invariant is known.';

create function public.read_invariants_status(p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_drift public.drift_scores;
begin
  select d.* into v_drift from public.drift_scores d order by d.created_at desc, d.id desc limit 1;
  return jsonb_build_object(
    'score', v_drift.score, 'scored_at', v_drift.created_at, 'lost', coalesce(v_drift.lost, '[]'), 'unknown', coalesce(v_drift.unknown, '[]'),
    'invariants', (
      select coalesce(jsonb_agg(to_jsonb(i) - '{watermark,statement_timeout}'::text[] order by i.priority, i.name), '[]') from public.invariants i),
    'violations', private.open_violations(null, least(greatest(coalesce(p_limit, 50), 0), 500)));
end $$;
comment on function public.read_invariants_status(integer) is
  'The newest drift score, every invariant, and the newest open violations (p_limit, at most 500): {score, scored_at, lost, unknown, invariants, violations}.';

create function private.finish_invariant_cycle() returns void
language plpgsql set search_path = '' as $$
begin
  perform public.score_drift();
  perform private.forget_changes(now());
  delete from public.invariant_runs r where r.started_at < now() - interval '30 days';
  delete from public.drift_scores d where d.created_at < now() - interval '1 year';
end $$;
comment on function private.finish_invariant_cycle() is 'After the runs of a cycle: scores the drift, forgets what is too old to be needed. Following incidents is a timer of its own, so that neither undoes the other.';

-- No invariant yet: the timer scores the drift only.
update public.invariants set enabled = enabled where false;

revoke execute on function private.why_unknown(public.invariants, timestamptz), private.lost_points(timestamptz),
  private.finish_invariant_cycle() from public, anon, authenticated, service_role;
revoke execute on function public.score_drift(timestamptz), public.read_invariants_status(integer) from public, anon, authenticated;
grant execute on function public.score_drift(timestamptz), public.read_invariants_status(integer) to service_role;
