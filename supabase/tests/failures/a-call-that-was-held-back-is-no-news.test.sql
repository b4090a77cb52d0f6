begin;
select plan(4);
insert into public.integrations_master (service_name, breaker_state, breaker_until) values ('acme', 'open', now() + interval '1 minute');

select tests.fail(1, 'acme', 'network', '{"hold": true, "error_code": "circuit_open", "fingerprint": "held", "request": {"method": "POST", "url": "https://acme.test"},
  "plan": {"step": "recover", "action_taken": "Repeat", "attempts": 1}}');
select is((tests.recovery(1)).status, 'pending', 'a call that the breaker held back is recorded');
select is_empty('select from public.outbox', 'but people are not told: they know of the outage that opened the breaker');

insert into public.integration_events (service_name, status) values ('acme', 'success');
select ok((tests.recovery(1)).next_retry_at <= now(), 'when the service is back the call is due');

select tests.fail(2, 'acme', 'network', '{"error_code": "ECONNRESET", "fingerprint": "reset", "plan": {"step": "recover", "action_taken": "Repeat", "attempts": 1}}');
select isnt_empty('select from public.outbox where kind = ''failure''', 'a call that was made and failed is told');

select * from finish();
rollback;
