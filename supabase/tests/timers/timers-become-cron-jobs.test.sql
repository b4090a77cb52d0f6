-- Where pg_cron is installed the jobs are real; elsewhere a stand-in with pg_cron's signatures takes their place.
begin;
select plan(5);

create function pg_temp.prepare() returns void language plpgsql as $$
begin
  if to_regclass('cron.job') is null then
    create schema cron;
    create table cron.job (jobid bigserial, jobname text unique, schedule text, command text);
    create function cron.schedule(text, text, text) returns bigint language sql as
      'insert into cron.job (jobname, schedule, command) values ($1, $2, $3) on conflict (jobname) do update set schedule = $2, command = $3 returning jobid';
    create function cron.unschedule(bigint) returns boolean language sql as 'delete from cron.job where jobid = $1 returning true';
  end if;
end $$;
select pg_temp.prepare();
delete from public.timers where name not in ('dispatch', 'self-heal-due');

select is(private.install_timers(), 2, 'every enabled timer becomes a job');
select is(private.install_timers(), 2, 'doing it again is safe');
create function pg_temp.jobs() returns jsonb language sql as $$
  select jsonb_object_agg(jobname, jsonb_build_array(schedule, command)) from cron.job where jobname in ('dispatch', 'self-heal-due')
$$;
select is(
  pg_temp.jobs(), (select jsonb_object_agg(name, jsonb_build_array(schedule, command)) from public.timers), 'the jobs are those of the table');

update public.timers set schedule = '*/5 * * * *' where name = 'dispatch';
update public.timers set enabled = false where name = 'self-heal-due';
select is(private.install_timers(), 1, 'a timer that is switched off is no job');
select is(
  pg_temp.jobs(), (select jsonb_build_object('dispatch', jsonb_build_array('*/5 * * * *', command)) from public.timers where name = 'dispatch'),
  'its job is removed, and a new schedule is taken over');

select * from finish();
rollback;
