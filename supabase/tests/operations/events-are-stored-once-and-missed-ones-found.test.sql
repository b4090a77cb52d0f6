begin;
select plan(12);
update private.scan_watermark set scanned_until = now() - interval '1 minute';

select is(
  record_integration_events(jsonb_build_array(
    jsonb_build_object('id', tests.id(2), 'service_name', 'acme', 'event_type', 'call', 'status', 'error', 'http_status', 503),
    jsonb_build_object('id', tests.id(1), 'service_name', 'acme', 'event_type', 'call', 'status', 'error'),
    jsonb_build_object('id', tests.id(2), 'service_name', 'acme', 'event_type', 'call', 'status', 'error'))),
  jsonb_build_array(tests.id(2), tests.id(1), tests.id(2)), 'ids come back in order');
select is((select count(*) from public.integration_events), 2::bigint, 'each id is stored once');
select is(jsonb_array_length(record_integration_events('[{"service_name": "acme", "event_type": "call", "status": "success"}]')), 1, 'an event without id gets one');
select throws_ok($$select record_integration_events('[{"service_name": "acme", "event_type": "call", "status": "maybe"}]')$$, '23514', null, 'an unknown status is refused');

select is(jsonb_array_length(missed_events(15, 1)), 1, 'failures that nobody reported are found, no more than asked for');
select isnt((select scanned_until from private.scan_watermark), now(), 'a scan that did not see all is not the last word');
select tests.fail(1, 'acme', 'network');
select is(jsonb_path_query_array(missed_events(15, 50), '$[*].id'), jsonb_build_array(tests.id(2)), 'those that were reported meanwhile are not');
select is((select scanned_until from private.scan_watermark), now(), 'a scan that saw all moves on');

insert into public.integration_events (id, service_name, status, created_at) values (tests.id(3), 'acme', 'error', now() - interval '16 minutes');
select is(missed_events(15, 50) @> jsonb_build_array(jsonb_build_object('id', tests.id(3))), false, 'what is older than the window was seen before');
update private.scan_watermark set scanned_until = now() - interval '2 hours';
select is(missed_events(15, 50) @> jsonb_build_array(jsonb_build_object('id', tests.id(3))), true, 'unless the scan did not run for a while');

select is(
  (select jsonb_agg(r -> 'in_progress') from jsonb_array_elements(get_recoveries(array[tests.id(1), tests.id(2)])) r), '[false]', 'what became of an event can be asked');
select save_llm_reasoning((tests.recovery(1)).id, repeat('x', 5000));
select is(length((tests.recovery(1)).llm_reasoning), 4000, 'a model''s explanation is kept, bounded');

select * from finish();
rollback;
