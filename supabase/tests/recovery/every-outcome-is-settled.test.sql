begin;
select plan(26);
insert into public.integrations_master (service_name, retry_tokens) values ('acme', 10);
create temp table work (n integer, item jsonb);
insert into work select n, tests.fail(n, 'acme', category, '{"plan": {"step": "recover", "action_taken": "Repeat", "attempts": 3}}') -> 'work'
from (values (1, 'unknown'), (2, 'rate_limit'), (3, 'network')) f (n, category);
create function pg_temp.tokens() returns numeric language sql as $$ select (tests.integration('acme')).retry_tokens::numeric $$;
create function pg_temp.finish(p_number integer, p_outcome text, p_more jsonb) returns jsonb language sql as $$
  select tests.finish(item, p_outcome, p_more) from work where n = p_number
$$;
select is(pg_temp.tokens(), 1.2, 'three times three attempts are paid for, and two calls added a tenth each');

select pg_temp.finish(1, 'failed', '{"attempts": 2, "delay_seconds": 120, "failure_reason": "HTTP 500", "category": "network", "http_status": 500}');
select is(round(extract(epoch from (tests.recovery(1)).next_retry_at - clock_timestamp())), 120::numeric, 'a failed try is tried again after its pause');
select is((tests.recovery(1)).attempts, 2, 'its attempts are counted');
select is((tests.recovery(1)).failure_reason, 'HTTP 500', 'the last reason is kept');
select is((tests.recovery(1)).failure_category, 'network', 'and the last category');
select is((tests.recovery(1)).leased_until, null, 'nobody owns it');
select is((select retry_count from public.integration_events where id = tests.id(1)), 2, 'the event knows how often it was repeated');
select is((tests.integration('acme')).breaker_failures, 1, 'it counts in the breaker');
select is((select failures from public.failure_streaks where failure_category = 'network'), 1, 'and in the streak of its category');
select is(pg_temp.tokens(), 2.2, 'attempts that were not made are given back');

select pg_temp.finish(2, 'waiting', '{"attempts": 1, "delay_seconds": 3600}');
select is((tests.recovery(2)).attempts, 0, 'obeying a wait costs no attempt');
select is(round(extract(epoch from (tests.recovery(2)).next_retry_at - clock_timestamp())), 3600::numeric, 'and is obeyed exactly');
select is((tests.integration('acme')).rate_limited_until, (tests.recovery(2)).next_retry_at, 'for the whole integration');
select is((select count(*) from public.failure_streaks where failure_category = 'rate_limit'), 0::bigint, 'it is no failure');

select is(pg_temp.finish(3, 'resolved', '{"attempts": 1}') ->> 'status', 'resolved', 'a try that works resolves');
select is((tests.recovery(3)).next_retry_at, null, 'for good');
select is((select status from public.integration_events where id = tests.id(3)), 'success', 'the event counts as a success');
select is((tests.integration('acme')).breaker_failures, 0, 'the breaker forgets');
select is((tests.integration('acme')).recovery_fail_count, 0, 'so does the count of failures');
select is((select count(*) from public.failure_streaks), 0::bigint, 'and every streak');
select is((tests.recovery(1)).status, 'pending', 'what is scheduled still has its call to make');

update public.integrations_master set rate_limited_until = null;
select tests.finish(tests.fail(4, 'acme', 'unknown') -> 'work', 'failed');
select is((tests.recovery(4)).next_retry_at, null, 'without another try people must act');
select is((select count(*) from public.outbox where channel = 'slack' and dedup_key like '%:unrecovered'), 1::bigint, 'and are told');
select tests.finish(tests.fail(5, 'acme', 'unknown') -> 'work', 'gave_up');
select is((select count(*) from public.outbox where channel = 'slack' and dedup_key like '%:unrecovered'), 1::bigint, 'once per group');

select is(finish_recoveries('[]'), '[]', 'nothing finished is nothing');
select is(
  finish_recoveries(jsonb_build_array(jsonb_build_object('recovery_id', tests.id(99), 'epoch', 1, 'outcome', 'resolved'))) #> '{0,accepted}', 'false',
  'an unknown recovery is not accepted');

select * from finish();
rollback;
