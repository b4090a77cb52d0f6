begin;
select plan(1);

insert into public.integrations_master (service_name, oauth_config) values ('acme', '{}'), ('flaky', null);
select save_grant('acme', null, tests.id(100), tests.jwe(), tests.jwe(), 3600);
select store_refreshed_grant(tests.id(100), 1, 1, tests.jwe(), null, 3600) from claim_refresh('acme', null, 1);
select fail_refresh(tests.id(100), 2, 'transient', 'HTTP 503') from claim_refresh('acme', null, 2);
select tests.finish(tests.fail(1, 'acme', 'data') -> 'work', 'failed');
select save_llm_reasoning(id, 'Because.') from public.system_integrity_events;
select tests.fail(2, 'acme', 'data', '{"plan": {"step": "tell", "action_taken": "x"}}');
select disable_integration('acme', 'maintenance', 'Ada');
select enable_integration('acme', 'Ada');
select tests.fail(n, 'acme', 'data', '{"plan": {"step": "tell", "action_taken": "x"}}') from generate_series(3, 8) n;
select resolve_recovery(id, 'Ada') from public.system_integrity_events limit 1;
select tests.fail(n, 'flaky', 'network', '{"plan": {"step": "tell", "action_taken": "x"}}') from generate_series(11, 15) n;
insert into public.integration_events (service_name, status) values ('flaky', 'success');
select reject_outbox(array['teams']);

select results_eq(
  $$select distinct action, kind from public.audit_log where subsystem <> 'invariants' order by action, kind$$,
  $$values ('breaker.closed', 'decision'), ('breaker.opened', 'decision'), ('failure.explained', 'action'), ('failure.reported', 'error'), ('failure.resolved', 'action'), ('failure.resolved_by_later_success', 'action'),
    ('grant.refresh_failed', 'error'), ('grant.refreshed', 'action'), ('grant.saved', 'action'),
    ('integration.disabled', 'decision'), ('integration.enabled', 'decision'), ('message.given_up', 'error'), ('recovery.attempted', 'action')$$,
  'failures are errors, choices are decisions, the rest is what was done');

select * from finish();
rollback;
