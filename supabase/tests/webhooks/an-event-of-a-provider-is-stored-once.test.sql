begin;
select plan(6);

select is(record_webhook_event('stripe', 'evt_1', 'charge.succeeded', '{"amount": 5}'), true, 'the first delivery is stored');
select is(record_webhook_event('stripe', 'evt_1', 'charge.succeeded', '{"amount": 6}'), false, 'a repeated one is not');
select is((select array_agg(payload ->> 'amount') from public.integration_events where service_name = 'stripe'), '{5}', 'and changes nothing');
select is(record_webhook_event('other', 'evt_1', 'charge.succeeded', '{}'), true, 'the same id of another provider is another event');
select is(record_webhook_event('stripe', 'evt_2', 'charge.succeeded', '{}'), true, 'so is another id');
select is((select count(*) from public.integration_events), 3::bigint, 'each has its row');

select * from finish();
rollback;
