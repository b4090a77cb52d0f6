begin;
select plan(4);
insert into public.integrations_master (service_name) values ('acme');
insert into public.user_integrations (service_name, access_token, refresh_token, token_version, token_refreshed_at)
values ('acme', tests.jwe(), tests.jwe(), 7, now() - interval '1 hour');

create function pg_temp.seen(p_number integer) returns jsonb language sql as
  'select private.work_items(array[(tests.recovery(p_number)).id]) #> ''{0,token_version_seen}''';

select tests.fail(1, 'acme', 'auth');
select is(pg_temp.seen(1), '7', 'a failure long after the last refresh is of the present token');
update public.user_integrations set token_refreshed_at = now() - interval '30 seconds';
select is(pg_temp.seen(1), '6', 'one that is reported shortly after a refresh is probably of the token before');
select tests.fail(2, 'acme', 'auth', '{"request": {"method": "GET", "url": "https://api.example.com/", "token_version": 7}}');
select is(pg_temp.seen(2), '7', 'unless the call says which token it used');
update public.user_integrations set token_refreshed_at = null;
select is(pg_temp.seen(1), '7', 'a token that was never refreshed is the present one');
select * from finish();
rollback;
