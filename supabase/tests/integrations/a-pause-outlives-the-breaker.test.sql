begin;
select plan(4);
insert into public.integrations_master (service_name, breaker_state, breaker_until) values ('acme', 'open', now() + interval '30 seconds');

select tests.fail(1, 'acme', 'network', '{"plan": {"step": "wait", "action_taken": "Wait an hour", "delay_seconds": 3600}}');
update public.integrations_master set rate_limited_until = now() + interval '1 hour';
select record_integration_events('[{"service_name": "acme", "event_type": "call", "status": "success"}]');
select is((tests.integration('acme')).breaker_state, 'closed', 'a success closes the breaker');
select is((tests.recovery(1)).next_retry_at, now(), 'and makes due what it held');
select is(claim_recoveries(10), '[]', 'but the pause that the provider asked for is kept');
update public.integrations_master set rate_limited_until = now();
select is(jsonb_array_length(claim_recoveries(10)), 1, 'to its end');

select * from finish();
rollback;
