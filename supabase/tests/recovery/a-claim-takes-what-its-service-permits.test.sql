begin;
select plan(15);
delete from public.integrations_master;
create function pg_temp.due(p_service text, p_from integer, p_to integer, p_category text default 'unknown') returns void language sql as $$
  insert into public.integration_events (id, service_name, status, request)
  select tests.id(n), p_service, 'error', '{"method": "GET", "url": "https://api.example.com/"}' from generate_series(p_from, p_to) n;
  insert into public.system_integrity_events (event_id, service_name, failure_category, next_retry_at)
  select tests.id(n), p_service, p_category, now() - make_interval(secs => 1000 - n) from generate_series(p_from, p_to) n
$$;
create function pg_temp.claimed(p_limit integer) returns bigint language sql as $$
  select jsonb_array_length(claim_recoveries(p_limit))::bigint
$$;
insert into public.integrations_master (service_name, retry_budget_capacity, retry_tokens) values ('acme', 100, 100);
select pg_temp.due('acme', 1, 20);

select is(pg_temp.claimed(4), 4::bigint, 'no more than asked for');
select is((select count(*) from public.system_integrity_events where leased_until is not null and event_id <= tests.id(4)), 4::bigint, 'the longest due first');
select is(pg_temp.claimed(50), 6::bigint, 'no more at once than the integration bears');
select is(pg_temp.claimed(50), 0::bigint, 'counting what is under way');
update public.system_integrity_events set leased_until = now() - interval '1 second' where event_id = tests.id(1);
select is((select jsonb_agg(w -> 'epoch') from jsonb_array_elements(claim_recoveries(50)) w), '[2]', 'what a worker left behind is taken over, with a new epoch');
select is((tests.integration('acme')).retry_tokens, 89::double precision, 'each is paid for');

insert into public.integrations_master (service_name, retry_tokens) values ('poor', 10);
select pg_temp.due('poor', 101, 110);
update public.integrations_master set retry_tokens = 2.5 where service_name = 'poor';
select is(pg_temp.claimed(50), 2::bigint, 'no more than the budget pays for');
select pg_temp.due('poor', 111, 112, 'auth');
select is(pg_temp.claimed(50), 2::bigint, 'refreshing a token needs no budget, and does not queue behind what does');

insert into public.integrations_master (service_name, rate_limited_until) values ('limited', now() + interval '1 minute');
select pg_temp.due('limited', 201, 202);
select is(pg_temp.claimed(50), 0::bigint, 'nothing while the provider asked for a pause');

insert into public.integrations_master (service_name, breaker_state, breaker_until) values ('broken', 'open', now() + interval '1 second');
select pg_temp.due('broken', 301, 302);
select is(pg_temp.claimed(50), 0::bigint, 'nothing while the breaker is open');
update public.integrations_master set breaker_until = now(), retry_tokens = 0 where service_name = 'broken';
select is(pg_temp.claimed(50), 1::bigint, 'then one probe, whatever the budget');
select is((tests.integration('broken')).breaker_state, 'half_open', 'while the breaker is half open');
select is(pg_temp.claimed(50), 0::bigint, 'and no second one');

insert into public.integrations_master (service_name, enabled, disabled_reason, disabled_by, auto_recovery_enabled) values
  ('disabled', false, 'why', 'Ada', true), ('manual', true, null, null, false);
select pg_temp.due('disabled', 401, 402);
select pg_temp.due('manual', 403, 404);
select is(pg_temp.claimed(50), 0::bigint, 'nothing of what a person switched off');

update public.integration_events set request = '{"token_version": "not a number"}' where id = tests.id(302);
update public.integrations_master set breaker_until = now() where service_name = 'broken';
update public.system_integrity_events set leased_until = null, next_retry_at = case event_id when tests.id(302) then now() end where service_name = 'broken';
select is(pg_temp.claimed(50), 1::bigint, 'a request that a project wrote wrongly stops nobody');

select * from finish();
rollback;
