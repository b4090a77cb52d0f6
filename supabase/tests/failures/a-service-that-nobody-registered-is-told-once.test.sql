begin;
select plan(7);
create temp table answer as select tests.fail(1, 'stranger', 'network') as a;

select is((select a ->> 'state' from answer), 'recorded', 'its failures are recorded');
select is((select a ->> 'status' from answer), 'pending', 'open');
select is((tests.recovery(1)).next_retry_at, null, 'and nothing is repeated');
select is(tests.told('failure', 'stranger'), 1::bigint, 'people are told');
select tests.fail(2, 'stranger', 'network');
select is(tests.told('failure', 'stranger'), 1::bigint, 'once');
select is((select count(*) from public.failure_streaks), 0::bigint, 'nothing can be disabled');
insert into public.integration_events (service_name, status) values ('stranger', 'success');
select is((select array_agg(status) from public.system_integrity_events), '{resolved,resolved}', 'a success settles them');

select * from finish();
rollback;
