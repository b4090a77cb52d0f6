begin;
select plan(26);
insert into public.integrations_master (service_name) values ('acme'), ('probed'), ('closed');
update public.integrations_master set enabled = false, disabled_reason = 'why', disabled_by = 'Ada' where service_name = 'closed';
-- Each call that is recorded adds a tenth of a retry, so whole ones are counted.
create temp table work as select tests.fail(1, 'acme', 'network') -> 'work' as claimed, tests.fail(2, 'acme', 'network') -> 'work' as half_done;
update public.integrations_master set breaker_state = 'open', breaker_trips = 1, breaker_until = now() where service_name = 'probed';
select tests.fail(3, 'probed', 'network');
update public.system_integrity_events set next_retry_at = now() where event_id = tests.id(3);
create temp table probe as select claim_recoveries(10) -> 0 as work;

update public.system_mode set mode = 'safe';
select is(tests.fail(10, 'acme', 'network') ->> 'state', 'recorded', 'a failure is recorded in safe mode, but not claimed');
select is((tests.recovery(10)).action_taken, 'Held: the platform is in safe mode', 'and says why');
select is((tests.recovery(10)).status, 'pending', 'it is pending');
select is((tests.recovery(10)).next_retry_at, now(), 'and due as soon as safe mode is over');
select is(floor((tests.integration('acme')).retry_tokens), 8::double precision, 'it costs nothing of the budget');
select is((select failures from public.failure_streaks where service_name = 'acme'), 1, 'it counts as a failure of the provider');

select tests.fail(11, 'acme', 'rate_limit', '{"plan": {"step": "wait", "action_taken": "Wait a minute", "delay_seconds": 60}}');
select is((tests.recovery(11)).next_retry_at, now() + interval '1 minute', 'a wait that the provider asked for is obeyed all the same');
select is((tests.integration('acme')).rate_limited_until, now() + interval '1 minute', 'by the whole integration');
update public.integrations_master set rate_limited_until = null;
select tests.fail(12, 'acme', 'network', '{"hold": true, "error_code": "circuit_open"}');
select is((tests.recovery(12)).action_taken, 'Held: the platform is in safe mode', 'a call that was held back waits, too');
select is((select failures from public.failure_streaks where service_name = 'acme'), 1, 'and is no failure');
select tests.fail(13, 'acme', 'data', '{"plan": {"step": "tell", "action_taken": "Tell people"}}');
select is((tests.recovery(13)).action_taken, 'Tell people', 'what people must mend is told');
select tests.fail(14, 'closed', 'network');
select is((tests.recovery(14)).action_taken, 'Held: the integration is disabled', 'what is disabled stays disabled');

select is(claim_recoveries(10), '[]', 'nothing is claimed, however long it is due');
select is_empty('select private.due_services()', 'and the timer wakes nobody');

create temp table before as select count(*) from public.outbox;
select tests.finish(claimed, 'held', '{"attempts": 0, "delay_seconds": 0, "reached_provider": false}') from work;
select is((tests.recovery(1)).attempts, 0, 'a repetition that was claimed before and then held is no attempt');
select is((tests.recovery(1)).status, 'pending', 'it stays pending');
select ok((tests.recovery(1)).next_retry_at between now() and clock_timestamp(), 'and is due');
select is((tests.recovery(1)).leased_until, null, 'and free');
select is(floor((tests.integration('acme')).retry_tokens), 9::double precision, 'its retry is given back');
select tests.finish(half_done, 'held', '{"attempts": 1, "delay_seconds": 0}') from work;
select is((tests.recovery(2)).attempts, 1, 'what was sent before is counted');
select is(floor((tests.integration('acme')).retry_tokens), 9::double precision, 'and paid for');
select is((select failures from public.failure_streaks where service_name = 'acme' and failure_category = 'network'), 1, 'neither is a failure');
select tests.finish(work, 'held', '{"attempts": 0, "delay_seconds": 0, "reached_provider": false}') from probe;
select is((tests.integration('probed')).breaker_trips, 1, 'a probe that was held tells nothing about the provider');
select is((select count(*) from public.outbox), (select count from before), 'people are told nothing of what is held');

update public.system_mode set mode = 'normal';
update public.system_integrity_events set next_retry_at = now() where next_retry_at <= clock_timestamp();
select set_eq(
  $$select w ->> 'event_id' from jsonb_array_elements(claim_recoveries(10)) w$$, $$select tests.id(n)::text from unnest(array[1, 2, 3, 10, 12]) n$$,
  'when safe mode is over all of it goes on');
select is((tests.integration('probed')).breaker_state, 'half_open', 'the probe as a probe');

select * from finish();
rollback;
