begin;
select plan(16);
insert into public.integrations_master (service_name, retry_tokens) values ('acme', 10);

select is(begin_integration_call('acme') -> 'allowed', 'true', 'calls pass at first');
select is(begin_integration_call('stranger') -> 'allowed', 'true', 'calls of a service that is not registered always pass');
select is(begin_integration_call('stranger') -> 'registered', 'false', 'and it says so');

select tests.fail(n, 'acme', 'network', '{"request": null}') from generate_series(1, 4) n;
select is(begin_integration_call('acme') -> 'allowed', 'true', 'four network failures are borne');
select tests.fail(5, 'acme', 'network', '{"request": null}');
select is(begin_integration_call('acme') -> 'allowed', 'false', 'the fifth opens the breaker');
select is(begin_integration_call('acme') ->> 'reason', 'circuit_open', 'and it says why');
select is((begin_integration_call('acme') ->> 'retry_at')::timestamptz, now() + interval '30 seconds', 'and until when');

select is(tests.fail(6, 'acme', 'network', '{"hold": true, "error_code": "circuit_open"}') ->> 'action_taken', 'Held by the circuit breaker', 'a call that was held back is kept');
select is((tests.recovery(6)).next_retry_at, now() + interval '30 seconds', 'until the breaker lets a probe pass');
select is((select failures from public.failure_streaks where service_name = 'acme'), 5, 'and does not count as a failure');

update public.integrations_master set breaker_until = now();
select is(begin_integration_call('acme') -> 'probe', 'true', 'then one call passes as a probe');
select is(begin_integration_call('acme') -> 'allowed', 'false', 'and no second one');
select tests.fail(7, 'acme', 'data', '{"plan": {"step": "tell", "action_taken": "Tell people"}}');
select is((tests.integration('acme')).breaker_state, 'closed', 'a failure that proves that the provider answers closes the breaker');

update public.integrations_master set breaker_state = 'open', breaker_until = now() + interval '1 minute';
select record_integration_events('[{"service_name": "acme", "event_type": "call", "status": "success"}]');
select is((tests.integration('acme')).breaker_state, 'closed', 'so does a success');
select is((tests.recovery(6)).next_retry_at, now(), 'and what was held is due');

update public.integrations_master set breaker_state = 'open', breaker_until = now() + interval '1 minute';
update public.system_integrity_events set next_retry_at = now() + interval '1 minute' where event_id = tests.id(6);
select enable_integration('acme', 'Ada');
select is((tests.recovery(6)).next_retry_at, now(), 'a person may close it too');

select * from finish();
rollback;
