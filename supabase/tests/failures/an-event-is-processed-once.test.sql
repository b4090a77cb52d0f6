begin;
select plan(14);
insert into public.integrations_master (service_name) values ('acme');

create temp table batch as select report_failures(jsonb_build_array(
  tests.report(1, 'acme', 'network'), tests.report(2, 'acme', 'data', '{"plan": {"step": "tell", "action_taken": "Tell people"}}'),
  tests.report(1, 'acme', 'unknown') || jsonb_build_object('event_id', upper(tests.id(1)::text)))) as answers;
select is((select jsonb_path_query_array(answers, '$[*].event_id') from batch), jsonb_build_array(tests.id(1), tests.id(2), tests.id(1)), 'every report is answered, in order');
select is((select jsonb_path_query_array(answers, '$[*].state') from batch), '["claimed", "recorded", "in_progress"]', 'a copy in the same batch is not processed');
select is((select answers #>> '{2,category}' from batch), 'network', 'and gets the first one''s answer');
select is((select answers #> '{2,work}' from batch), 'null', 'but no work');
select is((select count(*) from public.system_integrity_events), 2::bigint, 'each event has one row');

select is(tests.fail(1, 'acme', 'network') ->> 'state', 'in_progress', 'a copy that comes later hears that it is under way');
select tests.finish((select answers #> '{0,work}' from batch), 'resolved');
select is(tests.fail(1, 'acme', 'network') ->> 'state', 'duplicate', 'and when it is over');
select is(tests.fail(1, 'acme', 'network') ->> 'status', 'resolved', 'how it ended');
select is((tests.integration('acme')).recovery_fail_count, 0, 'copies count nothing');

select is((select count(*) from public.integration_events), 2::bigint, 'an event that nobody recorded is recorded from its report');
select record_integration_events(jsonb_build_array(jsonb_build_object(
  'id', tests.id(3), 'service_name', 'acme', 'event_type', 'charge', 'status', 'error', 'request', '{"method": "PUT", "url": "https://api.example.com/mine"}'::jsonb)));
select is(
  tests.fail(3, 'acme', 'network') #>> '{work,request,method}', 'PUT', 'an event that was recorded keeps what was recorded');

select tests.fail(4, 'acme', 'network', '{"request": null}');
select is((select request from public.integration_events where id = tests.id(4)), null, 'no request is no request');
select is((tests.recovery(4)).action_taken, 'Waiting for the next success: the request was not stored, so it cannot be repeated', 'and nothing is repeated');

select tests.fail(5, 'acme', 'network', '{"endpoint": "/v1/charges", "payload": {"order": 7}}');
select is((select payload from public.integration_events where id = tests.id(5)), '{"order": 7, "endpoint": "/v1/charges"}', 'the event keeps which endpoint failed');

select * from finish();
rollback;
