-- Where pg_cron is installed its own tables are used; elsewhere stand-ins of the same columns.
begin;
select plan(9);

create function pg_temp.prepare() returns void language plpgsql as $$
begin
  if to_regclass('cron.job') is null then
    create schema cron;
    create table cron.job (jobid bigserial primary key, jobname text unique, schedule text, command text);
    create function cron.schedule(text, text, text) returns bigint language sql as
      'insert into cron.job (jobname, schedule, command) values ($1, $2, $3) on conflict (jobname) do update set schedule = $2, command = $3 returning jobid';
    create function cron.unschedule(bigint) returns boolean language sql as 'delete from cron.job where jobid = $1 returning true';
    create table cron.job_run_details (jobid bigint, runid bigserial primary key, username text, status text, return_message text, start_time timestamptz, end_time timestamptz);
    perform private.install_timers();
  end if;
end $$;
select pg_temp.prepare();
create function pg_temp.run(p_job text, p_number bigint, p_status text, p_age interval, p_message text default null) returns void language sql as $$
  insert into cron.job_run_details (jobid, runid, username, status, return_message, start_time, end_time)
  select jobid, 1000000000000 + p_number, current_user, p_status, p_message, now() - p_age, now() - p_age from cron.job where jobname = p_job
$$;
create function pg_temp.noted(p_timer text) returns text language sql as
  $$ select format('%s %s', now() - started_at, last_error) from public.timers where name = p_timer $$;
update public.timers set installed_at = now() - interval '1 hour';

select pg_temp.run('seal-audit', 1, 'failed', '2 minutes', 'division by zero'), private.note_cron_runs();
select is(pg_temp.noted('seal-audit'), '00:02:00 division by zero', 'it is noted when a timer began, and why it failed');
select pg_temp.run('seal-audit', 2, 'running', '1 minute'), private.note_cron_runs();
select is(pg_temp.noted('seal-audit'), '00:01:00 division by zero', 'while it runs again nothing better is known');
select pg_temp.run('seal-audit', 3, 'starting', null), private.note_cron_runs();
select is(pg_temp.noted('seal-audit'), '00:01:00 division by zero', 'nor while it is about to');
select pg_temp.run('seal-audit', 4, 'succeeded', '0'), private.note_cron_runs();
select is(pg_temp.noted('seal-audit'), '00:00:00 ', 'a success ends it');
select pg_temp.run('verify-audit', 5, 'failed', '2 hours', 'an old command'), private.note_cron_runs();
select is((select last_error from public.timers where name = 'verify-audit'), null, 'what failed before a timer was installed as it is is not held against it');
select pg_temp.run('verify-audit', 6, 'failed', '0', repeat('no ', 1000)), private.note_cron_runs();
select is((select length(last_error) from public.timers where name = 'verify-audit'), 500, 'a long error is cut');

select cron.schedule('job-of-the-project', '0 0 1 1 *', 'select 1');
select pg_temp.run('seal-audit', 7, 'succeeded', '7 days 1 second'), pg_temp.run('seal-audit', 8, 'succeeded', '7 days'), pg_temp.run('job-of-the-project', 9, 'succeeded', '1 year');
select is(private.forget_cron_runs(), 1, 'runs older than 7 days are forgotten');
select is(
  array(select runid - 1000000000000 from cron.job_run_details where runid between 1000000000007 and 1000000000009 order by 1), '{8,9}',
  'younger ones are kept, and those of the project''s own jobs however old they are');
select is(private.forget_cron_runs(), 0, 'doing it again is safe');

select * from finish();
rollback;
