begin;
select plan(6);

select ok(record_webhook_event('stripe', 'evt_1', 'invoice.paid', '{"a":1}'), 'an event that was never seen is new');
select ok(not record_webhook_event('stripe', 'evt_1', 'invoice.paid', '{"a":2}'), 'the same event again is not');
select is((select payload from public.integration_events), '{"a":1}', 'the first delivery''s content stays');
select ok(record_webhook_event('stripe', 'evt_2', 'invoice.paid', '{}'), 'another event is new');
select ok(record_webhook_event('paddle', 'evt_1', 'invoice.paid', '{}'), 'the same id of another provider is new');
select is(
  (select array_agg(distinct row(service_name, event_type, status)::text) from public.integration_events where service_name = 'stripe'),
  array['(stripe,invoice.paid,success)'], 'it is recorded as what it is');

select * from finish();
rollback;
