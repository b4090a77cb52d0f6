begin;
select plan(10);
insert into public.integrations_master (service_name) values ('acme');
create function pg_temp.succeed(p_user uuid) returns void language sql as $$
  select record_integration_events(jsonb_build_array(jsonb_build_object('service_name', 'acme', 'user_id', p_user, 'event_type', 'call', 'status', 'success')))
$$;

select tests.fail(n, 'acme', category, jsonb_build_object('user_id', tests.id(u), 'plan', plan::jsonb)) from (values
  (1, 'data', 1, '{"step": "tell", "action_taken": "Tell people"}'),
  (2, 'auth', 1, '{"step": "tell", "action_taken": "Tell people"}'),
  (3, 'auth', 2, '{"step": "tell", "action_taken": "Tell people"}'),
  (4, 'network', 1, '{"step": "recover", "action_taken": "Repeat", "attempts": 1}'),
  (5, 'network', 1, '{"step": "wait", "action_taken": "Wait", "delay_seconds": 60}')) f (n, category, u, plan);
select is((tests.integration('acme')).recovery_fail_count, 4, 'failures are counted, those under way excepted');

select pg_temp.succeed(tests.id(1));
select is((tests.recovery(1)).status, 'resolved', 'a failure that waited for people is settled');
select is((tests.recovery(1)).action_taken, 'A later call succeeded', 'and says why');
select is((tests.recovery(2)).status, 'resolved', 'so is the same user''s auth failure');
select is((tests.recovery(3)).status, 'pending', 'but not another user''s');
select is((tests.recovery(4)).status, 'pending', 'what a worker is repeating goes on');
select is((tests.recovery(5)).status, 'pending', 'and what is scheduled still has its call to make');
select is((tests.integration('acme')).recovery_fail_count, 0, 'the counts start anew');

insert into public.integration_events (service_name, user_id, status) values ('acme', tests.id(2), 'success');
select is((tests.recovery(3)).status, 'resolved', 'a row that a project''s own function inserts does the same');
select is(
  (select count(*) from public.audit_log where action = 'failure.resolved_by_later_success'), 3::bigint, 'the audit log has each');

select * from finish();
rollback;
