begin;
select plan(22);
select tests.all_is_well();
create function pg_temp.window(p_from interval, p_to interval, p_pattern text default '%') returns void language sql as $$
  insert into public.maintenance_windows (dedup_pattern, starts_at, ends_at, reason) values (p_pattern, tests.at(p_from), tests.at(p_to), 'moving')
$$;

select pg_temp.window('00:00', '01:00', 'integration:quiet%'), pg_temp.window('00:00:01', '00:10', '%loud');
select tests.break('quiet', 'quiet-too', 'loud');
select is(tests.follow('00:00'), '{"opened": 3}', 'in a maintenance window incidents open');
select is(array[tests.said('quiet'), tests.said('loud')], '{NULL,opened}', 'silently, when its pattern is theirs');
select is((tests.incident('loud')).quiet_until, null, 'one that has not begun changes nothing');
select tests.follow('00:59:59');
select is(array[(tests.incident('quiet')).status, (tests.incident('loud')).status], '{AUTO_HEALING,ESCALATED}', 'and they are not escalated');
select is((tests.incident('quiet')).attempts, 0, 'nor are attempts counted');
select tests.mend('quiet-too');
select tests.follow('00:59:59');
select is(tests.said('quiet-too'), null, 'nobody hears of what began and ended inside');
select is(tests.follow('01:00'), '{"retried": 1}', 'at its end the first attempt is counted');
select is(tests.said('quiet'), 'opened', 'but what is still wrong is told');
select is(tests.follow('01:14:59') ? 'escalated', false, 'and then people have');
select is(tests.follow('01:15') ? 'escalated', true, 'as long as always');

-- One that begins later.
select pg_temp.window('01:20', '03:00', '%:quiet');
select is(tests.follow('02:59') ? 'reminded', true, 'of the others people are reminded');
select is(tests.said('quiet'), 'opened, escalated, page trigger', 'of what is in a window they are not');
select is(tests.follow('03:59') ->> 'reminded', '1', 'before it has been over for as long as the reminders are apart');
select is(tests.said('quiet'), 'opened, escalated, page trigger', 'that was about the other one');
select tests.follow('04:00');
select is(tests.said('quiet'), 'opened, escalated, page trigger, reminder', 'and now about this one');

select pg_temp.window('05:00', '06:00');
select tests.mend('quiet');
select tests.follow('05:30');
select is(tests.said('quiet'), 'opened, escalated, page trigger, reminder, resolved, page resolve', 'whoever heard that it is open hears in a window that it is over');
select tests.break('quiet'), tests.follow('05:31');
select acknowledge_incident((tests.incident('quiet')).id, 'ada', p_now => tests.at('05:32'));
select is(tests.said('quiet'), 'opened, escalated, page trigger, reminder, resolved, page resolve', 'what comes back inside is not told, nor who takes it');
select tests.follow('06:00');
select is(tests.said('quiet'), 'opened, escalated, page trigger, reminder, resolved, page resolve, opened', 'until the end');

-- One that is cut short.
select pg_temp.window('07:00', '23:00');
select tests.break('acme'), tests.follow('07:00');
select is((tests.incident('acme')).quiet_until, tests.at('23:00'), 'an incident says until when it is quiet');
delete from public.maintenance_windows;
select tests.follow('07:30');
select is((select (i.quiet_until, i.status)::text from tests.incident('acme') i), (select (tests.at('07:30'), 'AUTO_HEALING')::text), 'a window that is deleted is over at once');
select is(tests.said('acme'), 'opened', 'people are told');
select is(tests.follow('07:45') ? 'escalated', true, 'and have as long as always');

select * from finish();
rollback;
