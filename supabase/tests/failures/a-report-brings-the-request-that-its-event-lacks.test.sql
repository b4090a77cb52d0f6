begin;
select plan(4);
insert into public.integrations_master (service_name) values ('acme');
insert into public.integration_events (id, service_name, status, request) values
  (tests.id(1), 'acme', 'error', null), (tests.id(2), 'acme', 'error', '{"method": "GET", "url": "https://api.example.com/first"}');

select is(tests.fail(1, 'acme', 'unknown') ->> 'state', 'claimed', 'a call that was recorded without its request can be repeated');
select is(
  (select request ->> 'url' from public.integration_events where id = tests.id(1)), 'https://api.example.com/', 'with the report''s');
select is(tests.fail(2, 'acme', 'unknown') #>> '{work,request,url}', 'https://api.example.com/first', 'a request that was recorded stays');
select is((select count(*) from public.integration_events), 2::bigint, 'and no row is added');
select * from finish();
rollback;
