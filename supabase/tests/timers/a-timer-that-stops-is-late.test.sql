begin;
select plan(23);

delete from public.timers;
create function pg_temp.add(p_name text, p_schedule text, p_age interval, p_more text default null) returns void language plpgsql as $$
begin
  insert into public.timers (name, schedule, command, description) values (p_name, p_schedule, 'select 1', '');
  update public.timers set installed_at = now() - p_age where name = p_name;
end $$;
create function pg_temp.state(p_name text) returns text language sql as 'select state from public.timer_status where name = p_name';

select pg_temp.add('minute', '* * * * *', '1 day');
update public.timers set succeeded_at = now() - interval '4 minutes' where name = 'minute';
select is(pg_temp.state('minute'), 'on_time', 'a timer that succeeded two periods and two minutes ago is on time');
update public.timers set succeeded_at = now() - interval '4 minutes 1 second' where name = 'minute';
select is(pg_temp.state('minute'), 'late', 'a second more is late');
select is((select late_by from public.timer_status), interval '1 second', 'by that second');
update public.timers set started_at = now() where name = 'minute';
select is(pg_temp.state('minute'), 'late', 'to begin is no success: what hangs, or fails again and again, is late');
select private.timer_failed('minute', repeat('no ', 1000));
select is((select length(last_error) from public.timer_status), 500, 'why it failed is kept, in bounds');
select private.timer_succeeded('minute');
select is((select format('%s %s', state, coalesce(last_error, 'no error')) from public.timer_status), 'on_time no error', 'a success ends both');

select pg_temp.add('day', '0 3 * * *', '48 hours 2 minutes');
select is(pg_temp.state('day'), 'unknown', 'what has not run yet and need not have is unknown');
select is((read_cron_status() ->> 'healthy')::boolean, true, 'which is not late');
update public.timers set installed_at = now() - interval '48 hours 3 minutes' where name = 'day';
select is(pg_temp.state('day'), 'late', 'what never ran is late from its installation on');
select is((read_cron_status() ->> 'healthy')::boolean, false, 'one late timer is enough');
update public.timers set schedule = '0 4 * * *' where name = 'day';
select is(pg_temp.state('day'), 'unknown', 'with a new schedule it gets its time anew');

select pg_temp.add('off', '* * * * *', '1 day');
update public.timers set enabled = false where name = 'off';
update public.timers set installed_at = now() - interval '1 day' where name = 'off';
select is(pg_temp.state('off'), 'disabled', 'a timer that is switched off is not late');
select pg_temp.add('monday', '0 3 * * MON', '1 year');
select is(pg_temp.state('monday'), 'unknown', 'what cannot be known is unknown');
select is((select array_agg(name order by name) from jsonb_to_recordset(read_cron_status() -> 'jobs') j (name text)), '{day,minute,monday,off}', 'the status names every timer');

select is(private.start_timer('minute'), E'select 1;\nselect private.timer_succeeded(\'minute\')', 'who runs timers is told what to run');
select isnt((select started_at from public.timers where name = 'minute'), null, 'and it is noted that it began');
select is(private.start_timer('off'), null, 'a timer that is switched off is not begun');
select is(private.start_timer('nobody'), null, 'nor is one that is gone');

update public.timers set installed_at = now() where name = 'day';
select is(read_cron_status() #>> '{schedulers,0,state}', 'unknown', 'a scheduler that never called is unknown');
select note_scheduler('github');
select is(read_cron_status() #>> '{schedulers,0,state}', 'on_time', 'one that calls is on time');
update public.schedulers set seen_at = now() - interval '30 minutes 1 second';
select is(read_cron_status() #>> '{schedulers,0,state}', 'late', 'one that was not seen for twice its time is late');
select is((read_cron_status() ->> 'healthy')::boolean, false, 'so that somebody hears of it');
select throws_ok($$ select note_scheduler('nobody') $$, 'PT404', 'There is no scheduler "nobody". Add the row to public.schedulers, with how often it calls.', 'a stranger is refused');

select * from finish();
rollback;
