begin;
select plan(25);
delete from public.integrations_master;
insert into public.integrations_master (service_name, enabled, disabled_reason, disabled_by, auto_recovery_enabled, breaker_state, breaker_until, rate_limited_until, retry_tokens) values
  ('good', true, null, null, true, 'closed', null, null, 10),
  ('disabled', false, 'why', 'Ada', true, 'closed', null, null, 10),
  ('self-disabled', false, 'why', 'self-heal', true, 'open', now() + interval '9 minutes', null, 10),
  ('manual', true, null, null, false, 'closed', null, null, 10),
  ('broken', true, null, null, true, 'open', now() + interval '30 seconds', null, 10),
  ('limited', true, null, null, true, 'closed', null, now() + interval '2 minutes', 10),
  ('poor', true, null, null, true, 'closed', null, null, 0.5);

create temp table gate as
select sentence, answer, tests.recovery(n) as recovery, expected_action, expected_status, expected_retry
from (values
  (1, 'good', 'network', '{}', 'Repeat the call', 'pending', interval '0', 'what may be repeated is claimed at once'),
  (2, 'stranger', 'network', '{}', 'Recorded; the service is not registered, so nothing is repeated', 'pending', null, 'an unregistered service'),
  (3, 'disabled', 'network', '{}', 'Held: the integration is disabled', 'disabled', interval '1 day', 'an integration that a person disabled'),
  (4, 'self-disabled', 'network', '{}', 'Held: the integration is disabled', 'disabled', interval '9 minutes', 'one that is to be probed'),
  (5, 'good', 'data', '{"plan": {"step": "tell", "action_taken": "Tell people"}}', 'Tell people', 'pending', null, 'what people must mend'),
  (6, 'manual', 'network', '{}', 'Recorded; automatic recovery is switched off for this integration', 'pending', null, 'automatic recovery switched off'),
  (7, 'good', 'network', '{"request": null}', 'Waiting for the next success: the request was not stored, so it cannot be repeated', 'pending', null, 'no request to repeat'),
  (8, 'broken', 'network', '{}', 'Held by the circuit breaker', 'pending', interval '30 seconds', 'an open breaker'),
  (9, 'good', 'rate_limit', '{"plan": {"step": "wait", "action_taken": "Wait a minute", "delay_seconds": 60}}', 'Wait a minute', 'pending', interval '1 minute', 'a wait that the provider asked for'),
  (10, 'limited', 'unknown', '{}', 'Waiting for the provider''s rate limit', 'pending', interval '2 minutes', 'a provider that asked for a pause'),
  (11, 'poor', 'unknown', '{}', 'Waiting for the retry budget', 'pending', interval '1 minute', 'an empty budget'),
  (12, 'broken', 'rate_limit', '{"plan": {"step": "wait", "action_taken": "Wait", "delay_seconds": 60}}', 'Held by the circuit breaker', 'pending', interval '1 minute', 'of two waits the longer counts')
) g (n, service, category, more, expected_action, expected_status, expected_retry, sentence),
lateral tests.fail(n, service, category, more::jsonb) answer
order by n;
update gate set recovery = (select e from public.system_integrity_events e where e.event_id::text = answer ->> 'event_id');

select is((recovery).action_taken, expected_action, sentence) from gate;
select is(
  (select array_agg(sentence) from gate where (recovery).status <> expected_status or (recovery).next_retry_at is distinct from now() + expected_retry),
  null, 'each has its status and its time');
select is((select array_agg(answer ->> 'state') from gate where answer -> 'work' <> 'null'), '{claimed}', 'only what is claimed comes with work');
select is((select jsonb_object_agg(k, answer #> array['work', k]) from gate, unnest(array['attempts_allowed', 'epoch', 'probe', 'allowed_hosts']) k where answer -> 'work' <> 'null'),
  '{"epoch": 1, "probe": false, "allowed_hosts": [], "attempts_allowed": 1}', 'and what it needs to know');

select is((tests.integration('good')).rate_limited_until, now() + interval '1 minute', 'the provider''s pause holds for the whole integration');
select tests.fail(20, 'good', 'network');
select is((tests.recovery(20)).action_taken, 'Waiting for the provider''s rate limit', 'so the next failure waits, too');
update public.integrations_master set rate_limited_until = null where service_name = 'good';
select tests.fail(21, 'good', 'network', '{"plan": {"step": "wait", "action_taken": "Wait", "delay_seconds": 7200}}');
select is((tests.integration('good')).rate_limited_until, now() + interval '2 hours', 'a pause asked for in an outage holds as well');

update public.integrations_master set rate_limited_until = null, retry_tokens = 10, retry_tokens_at = now() where service_name = 'good';
select tests.fail(22, 'good', 'network', '{"plan": {"step": "recover", "action_taken": "Repeat", "attempts": 3}}');
select is((tests.recovery(22)).retry_tokens_held, 3, 'attempts are paid for when they are claimed');
select is((tests.integration('good')).retry_tokens, 7::double precision, 'out of the budget');

insert into public.user_integrations (service_name, user_id, refresh_token) values ('good', tests.id(1), tests.jwe());
select is(
  tests.fail(23, 'good', 'auth', jsonb_build_object('user_id', tests.id(1), 'request', null)) ->> 'state', 'claimed',
  'a token is refreshed even when the call cannot be repeated');
select is(tests.fail(24, 'good', 'auth', '{"request": null}') ->> 'state', 'recorded', 'but not without a grant');

select is((select count(*) from public.audit_log where action = 'failure.reported'), 17::bigint, 'every failure is on record');
select is((tests.integration('good')).enabled, true, 'and none of this disabled anything');
select is((select count(*) from public.system_integrity_events where leased_until is not null and next_retry_at is null), 0::bigint, 'whatever is claimed has a time, so that it is taken over when its worker dies');

select * from finish();
rollback;
