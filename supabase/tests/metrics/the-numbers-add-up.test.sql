begin;
select plan(17);
delete from public.integrations_master;
insert into public.integrations_master (service_name) values ('acme'), ('other');
update public.settings set value = '1' where name = 'max_auto_disabled_share';

select tests.finish(tests.fail(1, 'acme', 'network') -> 'work', 'resolved');
select tests.finish(tests.fail(2, 'acme', 'network') -> 'work', 'failed', '{"delay_seconds": 60}');
select tests.fail(n, 'acme', 'data', '{"plan": {"step": "tell", "action_taken": "Tell people"}}') from generate_series(3, 4) n;
select private.note_failures('other', 'auth', 3);
select tests.fail(5, 'other', 'auth');
select record_integration_events('[{"service_name": "stranger", "event_type": "call", "status": "success"}, {"service_name": "stranger", "event_type": "call", "status": "pending"}]');
update public.system_integrity_events set created_at = now() - interval '100 seconds', resolved_at = case when status = 'resolved' then now() end where event_id = tests.id(1);
update public.system_integrity_events set created_at = now() - interval '25 hours' where event_id = tests.id(4);
update public.system_integrity_events set llm_reasoning = 'Because.' where event_id = tests.id(3);
update public.outbox set failed_at = now() where channel = 'teams';

select results_eq(
  'select event_id, waits from (select event_id, next_retry_at is null as waits from public.active_failures) a order by 1',
  $$values (tests.id(2), false), (tests.id(3), true), (tests.id(4), true)$$, 'active failures are those pending, and it shows which wait for people');
select is((select advice from public.active_failures limit 1), 'Look at it.', 'with the advice for people');
select results_eq(
  'select service_name, disabled_reason, disabled_by, next_probe_at > now(), held_failures from public.disabled_integrations',
  $$values ('other', '3 auth failures in a row', 'self-heal', true, 1::bigint)$$, 'disabled integrations say why and when they are probed');
select results_eq(
  'select service_name, failures, resolved, recovery_rate from public.recovery_rate_24h',
  $$values (null, 4::bigint, 1::bigint, 0.25), ('acme', 3, 1, 0.3333), ('other', 1, 0, 0)$$, 'the recovery rate is of the last 24 hours, overall and by service');
select results_eq(
  'select service_name, resolved, mean_time, median_time, longest_time from public.mean_time_to_recovery',
  $$values (null, 1::bigint, interval '100 seconds', interval '100 seconds', interval '100 seconds'), ('acme', 1, '100 seconds', '100 seconds', '100 seconds')$$,
  'the time to recovery is from report to resolution');
select results_eq(
  'select service_name, failures, unresolved, commonest_category from public.top_failing_services',
  $$values ('acme', 4::bigint, 3::bigint, 'data'), ('other', 1, 1, 'auth')$$, 'the service that fails most comes first');
select results_eq(
  'select failure_category, failures, share from public.failure_category_distribution',
  $$values ('data', 2::bigint, 0.4), ('network', 2, 0.4), ('auth', 1, 0.2), ('rate_limit', 0, 0), ('unknown', 0, 0)$$, 'shares of the categories add up to one');
select results_eq(
  'select service_name, calls, succeeded, healed, success_rate, first_try_success_rate from public.service_success_rates order by 1',
  $$values ('acme', 4::bigint, 1::bigint, 1::bigint, 0.25, 0.0), ('other', 1, 0, 0, 0, 0), ('stranger', 1, 1, 0, 1, 1)$$,
  'a healed call counts as a success, but not as one at the first try; a pending one not at all');
select is((select explained from public.llm_usage limit 1), 1::bigint, 'explanations of a language model are counted by day');
select results_eq(
  'select service_name, failure_category, occurrences, unresolved from public.open_failure_groups order by 1, 2',
  $$values ('acme', 'data', 2::bigint, 2::bigint), ('acme', 'network', 1, 1), ('other', 'auth', 1, 1)$$, 'what is open is counted by kind, since it was opened');

select is((select active_failures from public.self_heal_kpis), 3::bigint, 'the dashboard has the active failures');
select is((select disabled_integrations from public.self_heal_kpis), 1::bigint, 'the disabled integrations');
select is((select recovery_rate_24h from public.self_heal_kpis), 0.25, 'the recovery rate');
select is((select mean_time_to_recovery from public.self_heal_kpis), interval '100 seconds', 'the mean time to recovery');
select is((select top_failing_service from public.self_heal_kpis), 'acme', 'the service that fails most');
select is((select success_rate_7d from public.self_heal_kpis), 0.3333, 'the success rate');
select is((select dead_letters from public.self_heal_kpis), (select count(*) from public.outbox where channel = 'teams'), 'and the messages that could not be delivered');

select * from finish();
rollback;
