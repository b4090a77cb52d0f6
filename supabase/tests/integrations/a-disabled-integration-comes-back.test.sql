begin;
select plan(18);
delete from public.integrations_master;
insert into public.integrations_master (service_name) values ('by-probe'), ('by-success'), ('by-person'), ('kept');
update public.settings set value = '1' where name = 'max_auto_disabled_share';
select tests.fail(n, s, 'network', '{"plan": {"step": "wait", "action_taken": "Later", "delay_seconds": 3600}}')
from (values (1, 'by-probe'), (2, 'by-success'), (3, 'by-person')) v (n, s);
update public.integrations_master set rate_limited_until = null;
select private.note_failures(s, 'network', 9) from unnest(array['by-probe', 'by-success', 'by-person']) s;
select is((select count(*) from public.system_integrity_events where status = 'disabled'), 3::bigint, 'open failures of a disabled integration are marked so');

select is(begin_integration_call('by-probe') -> 'allowed', 'false', 'calls are held back');
select is(begin_integration_call('by-probe') ->> 'reason', 'disabled', 'and it says why');
update public.integrations_master set breaker_until = now() where service_name = 'by-probe';
update public.system_integrity_events set next_retry_at = now() where service_name = 'by-probe';
create temp table probe as select claim_recoveries(10) as work;
select is((select jsonb_path_query_array(work, '$[*].probe') from probe), '[true]', 'after the pause one recovery is claimed as a probe');
select is(begin_integration_call('by-probe') -> 'allowed', 'false', 'and nothing beside it');
select tests.finish(work -> 0, 'resolved') from probe;
select is((tests.integration('by-probe')).enabled, true, 'a probe that succeeds enables the integration');
select is(
  (select payload ->> 'action_taken' from public.outbox where channel = 'slack' and dedup_key like 'enabled:by-probe:%'), 'Integration re-enabled',
  'and people are told');

select record_integration_events('[{"service_name": "by-success", "event_type": "call", "status": "success"}]');
select is((tests.integration('by-success')).enabled, true, 'so does a call that succeeds by itself');
select results_eq(
  $$select status, next_retry_at from public.system_integrity_events where service_name = 'by-success'$$, $$values ('pending', now())$$,
  'what was held is pending again and due');

select enable_integration('by-person', 'Ada');
select is((tests.integration('by-person')).enabled, true, 'so does a person');
select is((select count(*) from public.failure_streaks where service_name = 'by-person'), 0::bigint, 'counts start anew');
select is((tests.recovery(3)).status, 'pending', 'what was held is pending again');
select is((select actor from public.audit_log where action = 'integration.enabled' and resource = 'integration:by-person'), 'Ada', 'the audit log says who');

select disable_integration('kept', 'Contract ended', 'Ada');
select record_integration_events('[{"service_name": "kept", "event_type": "call", "status": "success"}]');
select is((tests.integration('kept')).enabled, false, 'what a person disabled, no success enables');
update public.integrations_master set breaker_state = 'open', breaker_until = now() where service_name = 'kept';
select is(begin_integration_call('kept') -> 'allowed', 'false', 'nor does a probe pass');

select throws_ok($$select disable_integration('kept', '', 'Ada')$$, 'PT422', null, 'disabling needs a reason');
select throws_ok($$select enable_integration('nobody', 'Ada')$$, 'PT404', null, 'an unknown integration is an error');
select throws_ok($$select disable_integration('nobody', 'why', 'Ada')$$, 'PT404', null, 'in both directions');

select * from finish();
rollback;
