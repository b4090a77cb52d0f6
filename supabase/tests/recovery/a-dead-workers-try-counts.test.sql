begin;
select plan(7);
insert into public.integrations_master (service_name) values ('acme');
select tests.fail(n, 'acme', 'unknown') from generate_series(1, 2) n;
update public.system_integrity_events set leased_until = now() - interval '1 second' where event_id = tests.id(1);

create temp table work as select claim_recoveries(10) as items;
select is((select items #> '{0,taken_over}' from work), 'true', 'who takes over from a dead worker is told, as its call may have been sent');
select is((tests.recovery(1)).attempts, 1, 'and its try counts');
select is(
  (select tests.fail(3, 'acme', 'unknown') #> '{work,taken_over}'), 'false', 'the first worker takes over from nobody');

update public.integrations_master set breaker_state = 'open', breaker_trips = 1, breaker_until = now();
update public.system_integrity_events set leased_until = null, next_retry_at = now() - interval '1 hour' where event_id = tests.id(2);
create temp table probe as select claim_recoveries(10) -> 0 as work;
select is((select work -> 'probe' from probe), 'true', 'a probe');
select is((select tests.finish(work, 'failed', '{"attempts": 0, "delay_seconds": 60, "reached_provider": false}') -> 'accepted' from probe), 'true', 'that was never sent');
select is((tests.integration('acme')).breaker_trips, 1, 'tells nothing about the provider');
select is(begin_integration_call('acme') -> 'probe', 'true', 'so the next one may pass at once');

select * from finish();
rollback;
