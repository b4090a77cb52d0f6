-- Who watches the clock: what pg_cron tells of its runs, and the schedulers outside that watch pg_cron.

create table public.schedulers (
  name text primary key,
  expected_every interval not null,
  seen_at timestamptz,
  constraint schedulers_name_is_kebab_case check (name ~ '^[a-z][a-z0-9-]*$'),
  constraint schedulers_come_back_in_a_positive_time check (expected_every > interval '0')
);
comment on table public.schedulers is 'What calls from outside by a clock of its own. It notices when the timers stop, and the timers notice when it stops.';
comment on column public.schedulers.name is 'Who calls, for example github.';
comment on column public.schedulers.expected_every is 'How often it should call.';
comment on column public.schedulers.seen_at is 'When it last called; null: never.';
insert into public.schedulers (name, expected_every) values ('github', '15 minutes');

alter table public.schedulers enable row level security;
revoke all on public.schedulers from public, anon, authenticated, service_role;
grant select on public.schedulers to service_role;

create view public.scheduler_status with (security_invoker = true) as
select s.name, s.expected_every, s.seen_at, l.late_by,
  case when s.seen_at is null then 'unknown' when l.late_by is not null then 'late' else 'on_time' end as state
from public.schedulers s cross join lateral (
  select case when s.seen_at + 2 * s.expected_every < now() then now() - s.seen_at - 2 * s.expected_every end as late_by
) l
order by s.name;
comment on view public.scheduler_status is 'Whether those who call from outside still do. Late: not seen for twice the time they should come back in.';
comment on column public.scheduler_status.name is 'The scheduler.';
comment on column public.scheduler_status.expected_every is 'How often it should call.';
comment on column public.scheduler_status.seen_at is 'When it last called; null: never.';
comment on column public.scheduler_status.late_by is 'How long ago it should have called at the latest; null: it is not late.';
comment on column public.scheduler_status.state is 'on_time, late, or unknown: it never called, perhaps because it was not set up.';
revoke all on public.scheduler_status from public, anon, authenticated, service_role;
grant select on public.scheduler_status to service_role;

create function public.note_scheduler(p_name text) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update public.schedulers s set seen_at = now() where s.name = p_name;
  if not found then
    raise exception using errcode = 'PT404', hint = 'scheduler.unknown',
      message = format('There is no scheduler "%s". Add the row to public.schedulers, with how often it calls.', p_name);
  end if;
end $$;
comment on function public.note_scheduler(text) is 'A scheduler called; raises scheduler.unknown.';
revoke execute on function public.note_scheduler(text) from public, anon, authenticated;
grant execute on function public.note_scheduler(text) to service_role;

create function public.read_cron_status() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_jobs jsonb := (select coalesce(jsonb_agg(to_jsonb(t) order by t.name), '[]') from public.timer_status t);
  v_schedulers jsonb := (select coalesce(jsonb_agg(to_jsonb(s) order by s.name), '[]') from public.scheduler_status s);
begin
  return jsonb_build_object('healthy', not (v_jobs || v_schedulers) @> '[{"state": "late"}]', 'jobs', v_jobs, 'schedulers', v_schedulers);
end $$;
comment on function public.read_cron_status() is
  'Every timer and every scheduler with its state; healthy: none of them is late. What never ran and need not have is unknown, and stands in the list.';
revoke execute on function public.read_cron_status() from public, anon, authenticated;
grant execute on function public.read_cron_status() to service_role;

create function private.note_cron_runs() returns integer
language plpgsql set search_path = '' as $$
declare
  v_noted integer := 0;
begin
  if to_regclass('cron.job_run_details') is not null then
    execute $noted$
      update public.timers t
      set started_at = r.start_time,
          last_error = case r.status when 'failed' then left(r.return_message, 500) when 'succeeded' then null else t.last_error end
      from cron.job j cross join lateral (
        select d.start_time, d.status, d.return_message from cron.job_run_details d
        where d.jobid = j.jobid and d.start_time is not null order by d.runid desc limit 1
      ) r
      where j.jobname = t.name and r.start_time >= t.installed_at
    $noted$;
    get diagnostics v_noted = row_count;
  end if;
  return v_noted;
end $$;
comment on function private.note_cron_runs() is
  'Notes of every timer when pg_cron last began it, and why that failed; returns of how many. Where pg_cron is not, the local stack notes it.';
revoke execute on function private.note_cron_runs() from public, anon, authenticated, service_role;

create function private.forget_cron_runs() returns integer
language plpgsql set search_path = '' as $$
declare
  v_forgotten integer := 0;
begin
  if to_regclass('cron.job_run_details') is not null then
    execute $forgotten$
      delete from cron.job_run_details d using cron.job j, public.timers t
      where j.jobid = d.jobid and t.name = j.jobname and d.start_time < now() - interval '7 days'
    $forgotten$;
    get diagnostics v_forgotten = row_count;
  end if;
  return v_forgotten;
end $$;
comment on function private.forget_cron_runs() is
  'pg_cron keeps a row of every run for ever: deletes those of the timers, and of no other job, that are older than 7 days; returns how many.';
revoke execute on function private.forget_cron_runs() from public, anon, authenticated, service_role;

insert into public.timers (name, schedule, command, description) values
  ('note-cron-runs', '* * * * *', 'select private.note_cron_runs()', 'Keeps beside each timer when it last began and why it failed.'),
  ('forget-cron-runs', '41 3 * * *', 'select private.forget_cron_runs()', 'Deletes old records of runs.');
