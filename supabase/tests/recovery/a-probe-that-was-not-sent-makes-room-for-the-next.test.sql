begin;
select plan(7);
insert into public.integrations_master (service_name) values ('acme');
update public.integrations_master set breaker_state = 'open', breaker_trips = 1, breaker_until = now() + interval '1 minute';
select tests.fail(1, 'acme', 'network'), tests.fail(2, 'acme', 'network');
select is(claim_recoveries(10), '[]', 'an open breaker lets nothing pass');
update public.integrations_master set breaker_until = now();
update public.system_integrity_events set next_retry_at = now();

create temp table probe as select claim_recoveries(10) -> 0 as work;
select is((tests.integration('acme')).breaker_state, 'half_open', 'then one probe');
select is(claim_recoveries(10), '[]', 'and no second one beside it');
select tests.finish(work, 'failed', '{"attempts": 0, "reached_provider": false}') from probe;
select is((tests.integration('acme')).breaker_trips, 1, 'a probe that was not sent does not open the breaker again');

create temp table next_probe as select claim_recoveries(10) -> 0 as work;
select isnt((select work from next_probe), null, 'the next one passes at once');
select tests.finish(work, 'failed', '{"delay_seconds": 60}') from next_probe;
select is((tests.integration('acme')).breaker_state, 'open', 'one that was sent and failed opens it');
select is((tests.integration('acme')).breaker_trips, 2, 'for longer');
select * from finish();
rollback;
