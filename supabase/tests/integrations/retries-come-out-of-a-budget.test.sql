begin;
select plan(12);
insert into public.integrations_master (service_name, retry_budget_capacity, retry_tokens) values ('acme', 4, 4);

create temp table answer as
select a from jsonb_array_elements(report_failures((select jsonb_agg(tests.report(n, 'acme', 'unknown')) from generate_series(1, 6) n))) a;
select is((select count(*) from answer where a ->> 'state' = 'claimed'), 4::bigint, 'as many retries start as the budget holds');
select is((select count(*) from answer where a ->> 'action_taken' = 'Waiting for the retry budget'), 2::bigint, 'the others wait for it');
select is((tests.integration('acme')).retry_tokens, 0::double precision, 'the budget is spent');

update public.system_integrity_events set next_retry_at = now();
select is(claim_recoveries(10), '[]', 'without budget nothing is claimed');
update public.integrations_master set retry_tokens_at = now() - interval '90 seconds';
select is(private.retry_tokens_now(tests.integration('acme')), 1.5::double precision, 'a minute gives one retry');
select is(jsonb_array_length(claim_recoveries(10)), 1, 'and one is claimed');
update public.integrations_master set retry_tokens_at = now() - interval '1 day';
select is(private.retry_tokens_now(tests.integration('acme')), 4::double precision, 'no more is saved up than the capacity');

update public.integrations_master set retry_tokens = 0, retry_tokens_at = now();
select record_integration_events('[{"service_name": "acme", "event_type": "a", "status": "error"}, {"service_name": "acme", "event_type": "a", "status": "pending"}]');
select is((tests.integration('acme')).retry_tokens, 0.2::double precision, 'every call adds a tenth');

update public.integrations_master set retry_tokens = 1;
select is(tests.finish((select a -> 'work' from answer where a ->> 'state' = 'claimed' limit 1), 'resolved') ->> 'status', 'resolved', 'a retry that works');
select cmp_ok((tests.integration('acme')).retry_tokens, '>=', 2::double precision, 'gives its token back');

select is(tests.fail(21, 'acme', 'auth', '{"plan": {"step": "recover", "action_taken": "Refresh", "attempts": 1}}') ->> 'state', 'claimed', 'a token refresh is claimed');
select is((tests.recovery(21)).retry_tokens_held, 0, 'and needs no budget');

select * from finish();
rollback;
