begin;
select plan(15);
select tests.all_is_well();

-- By age alone.
update public.incident_policies set escalate_attempts = 1000;
select tests.break('acme');
select is(tests.follow('00:00'), '{"opened": 1}', 'what is wrong opens an incident');
select is(tests.follow('00:00'), null, 'once');
select is(tests.follow('00:14:59') - 'retried', '{}', 'which heals by itself for 15 minutes');
select is(tests.follow('00:15:00') - 'retried', '{"escalated": 1}', 'and is escalated when they are over');
select is(tests.said('acme'), 'opened, escalated, page trigger', 'people are told both times, and paged the second time');
select is(tests.follow('00:15:00'), null, 'once');

select is(tests.follow('01:14:59'), null, 'nobody is reminded of a P2 within the hour');
select is(tests.follow('01:15:00'), '{"reminded": 1}', 'but after it');
select is(tests.follow('02:15:00'), '{"reminded": 1}', 'and after each hour more');
select is((tests.incident('acme')).attempts, 2, 'what is escalated is not retried');

-- By attempts alone: each look five minutes later is one.
update public.incident_policies set escalate_attempts = 3, escalate_after = '1 day';
select tests.break('beta');
select tests.follow('03:00');
select is(array[tests.follow('03:04:59'), tests.follow('03:05'), tests.follow('03:06'), tests.follow('03:10')], array[null, '{"retried": 1}', null, '{"retried": 1}'::jsonb],
  'what is looked at again and is still wrong is an attempt');
select is((tests.incident('beta')).status, 'AUTO_HEALING', 'after two of them it still heals by itself');
select is(tests.follow('03:15'), '{"retried": 1, "reminded": 1, "escalated": 1}', 'the third one escalates');
select is((tests.incident('beta')).attempts, 3, 'and is counted');

select is(
  array(select action from public.audit_log where resource = 'incident:' || (tests.incident('beta')).id order by immutable_seq),
  '{incident.opened,incident.retried,incident.retried,incident.retried,incident.escalated}', 'every move is in the audit log');

select * from finish();
rollback;
