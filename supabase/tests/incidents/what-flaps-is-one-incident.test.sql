begin;
select plan(16);
select tests.all_is_well();

-- Twice wrong and mended, within the hour.
select tests.break('acme'), tests.follow('00:00'), tests.mend('acme'), tests.follow('00:01');
select tests.break('acme'), tests.follow('00:02'), tests.mend('acme'), tests.follow('00:03');
select tests.break('acme'), tests.follow('00:04'), tests.mend('acme');
select is(tests.follow('00:05'), '{"resolved": 1}', 'what comes and goes is resolved each time');
select is((select count(*) from public.incidents), 1::bigint, 'and is one incident');
select is(tests.said('acme'), 'opened, resolved, opened, resolved, opened, resolved', 'of which people are told');
select is((tests.incident('acme')).flapping, false, 'it came back twice');

select tests.break('acme'), tests.follow('00:06'), tests.mend('acme');
select is((tests.incident('acme')).flapping, true, 'the third time it flaps');
select is(tests.follow('00:07'), null, 'and is not resolved at once');
select tests.break('acme'), tests.follow('00:08'), tests.mend('acme'), tests.follow('00:09');
select is(tests.said('acme'), 'opened, resolved, opened, resolved, opened, resolved, opened', 'while it comes and goes nothing more is said');
select is(tests.follow('00:38:59'), null, 'before half an hour of quiet');
select is(tests.follow('00:39:00'), '{"resolved": 1}', 'then it is resolved');
select is(tests.said('acme'), 'opened, resolved, opened, resolved, opened, resolved, opened, resolved', 'which people hear');

select tests.break('acme'), tests.follow('00:40');
select is((tests.incident('acme')).flapping, true, 'it flaps on when it has come back three times in the last hour');
select is(tests.follow('00:55') - 'retried', '{"escalated": 1}', 'what flaps and stays is escalated, counted from when it came back');
select tests.mend('acme');
select tests.follow('00:56');
select is((resolve_incident((tests.incident('acme')).id, 'ada', p_now => tests.at('00:57'))) ->> 'status', 'RESOLVED', 'a person need not wait');

select tests.break('acme');
select is(tests.follow('01:57'), '{"closed": 1, "opened": 1}', 'what comes back after an hour is a new incident, and the old one is closed');
select is((select (i.flapping, i.reopened, i.status)::text from tests.incident('acme') i), '(f,0,AUTO_HEALING)', 'which does not flap');

update public.incidents set reopenings = array[tests.at('1:00'), tests.at('1:30'), tests.at('2:00')] where status = 'AUTO_HEALING';
select is((tests.incident('acme')).flapping, false, 'three times in a whole hour are not too many');

select * from finish();
rollback;
