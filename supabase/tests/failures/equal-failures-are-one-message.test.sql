begin;
select plan(12);
insert into public.integrations_master (service_name, retry_budget_capacity, retry_tokens) values ('acme', 0, 0);
update public.recovery_thresholds set max_consecutive = null;

select jsonb_array_length(report_failures((select jsonb_agg(tests.report(n, 'acme', 'network')) from generate_series(1, 5000) n)));
select jsonb_array_length(report_failures((select jsonb_agg(tests.report(n, 'acme', 'network')) from generate_series(5001, 10000) n)));
select is((select count(*) from public.system_integrity_events), 10000::bigint, 'ten thousand equal failures are all recorded');
select is((select count(*) from public.outbox where channel = 'slack'), 1::bigint, 'people get one message');
select is(tests.told('failure', 'acme'), 1::bigint, 'about the first of them');
select is((select count(*) from public.failure_groups), 1::bigint, 'they are one group');

select tests.fail(20001, 'acme', 'network', '{"fingerprint": "another"}');
select is(tests.told('failure', 'acme'), 2::bigint, 'a failure of another kind is told too');
select tests.fail(20002, 'other', 'network');
select is(tests.told('failure', 'other'), 1::bigint, 'and one of another service');

update public.system_integrity_events set next_retry_at = null;
select record_integration_events('[{"service_name": "acme", "event_type": "call", "status": "success"}]');
select is((select count(*) from public.system_integrity_events where service_name = 'acme' and status <> 'resolved'), 0::bigint, 'a success settles them all');
select is((select max((payload ->> 'occurrences')::integer) from public.outbox where kind = 'recovered'), 10000, 'people are told, with the count');
select is(tests.told('recovered', 'acme'), 2::bigint, 'once for each kind');
select is((select count(*) from public.failure_groups where closed_at is null), 1::bigint, 'the groups are closed, but for the other service''s');

update public.failure_groups set closed_at = now() - interval '6 minutes', opened_at = now() - interval '7 minutes' where closed_at is not null;
select tests.fail(20003, 'acme', 'network');
select is(tests.told('failure', 'acme'), 3::bigint, 'when it fails again later, that is news');
select is((select count(*) from public.failure_groups where service_name = 'acme' and closed_at is null), 1::bigint, 'in a new group');

select * from finish();
rollback;
