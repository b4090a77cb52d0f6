-- Where pg_cron is installed the jobs are real; elsewhere a stand-in with pg_cron's signatures takes their place.
begin;
select plan(12);

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
create function pg_temp.jobs() returns jsonb language sql as $$
  select coalesce(jsonb_object_agg(jobname, schedule), '{}') from cron.job where jobname in ('dispatch', 'self-heal-due', 'sweep')
$$;

delete from public.timers where name not in ('dispatch', 'self-heal-due');
select is(private.install_timers(), 2, 'every enabled timer becomes a job');
select is(private.install_timers(), 2, 'doing it again is safe');
select is(
  (select jsonb_object_agg(jobname, jsonb_build_array(schedule, command)) from cron.job where jobname in ('dispatch', 'self-heal-due')),
  (select jsonb_object_agg(name, jsonb_build_array(schedule, private.timer_command(t))) from public.timers t), 'the jobs are those of the table');

insert into public.timers (name, schedule, command, description) values ('sweep', '0 3 * * *', 'select 1', 'Sweeps.');
select is(pg_temp.jobs() ->> 'sweep', '0 3 * * *', 'a new timer is a job at once');
update public.timers set command = 'select 2' where name = 'sweep';
select is((select command from cron.job where jobname = 'sweep'), E'select 2;\nselect private.timer_succeeded(\'sweep\')', 'a new command is taken over at once');
update public.timers set name = 'sweeper' where name = 'sweep';
select is(pg_temp.jobs() ->> 'sweep', null, 'a timer that gets another name leaves no job behind');
select is((select command from cron.job where jobname = 'sweeper'), E'select 2;\nselect private.timer_succeeded(\'sweeper\')', 'its new job notes its success under the new name');
update public.timers set name = 'sweep' where name = 'sweeper';
delete from public.timers where name = 'sweep';
select is(pg_temp.jobs() ->> 'sweep', null, 'a timer that is gone is no job');

update public.timers set schedule = '*/5 * * * *' where name = 'dispatch';
update public.timers set enabled = false where name = 'self-heal-due';
select is(pg_temp.jobs(), '{"dispatch": "*/5 * * * *"}', 'a timer that is switched off is no job, and a new schedule is taken over');
select is(private.install_timers(), 1, 'switched off it stays at the next install');
update public.timers set enabled = true where name = 'self-heal-due';
select is(pg_temp.jobs() ->> 'self-heal-due', '* * * * *', 'until it is switched on again');

select cron.unschedule(jobid) from cron.job where jobname in ('dispatch', 'self-heal-due');
select private.timer_succeeded('dispatch');
select is(pg_temp.jobs(), '{}', 'a turn installs nothing');

select * from finish();
rollback;
