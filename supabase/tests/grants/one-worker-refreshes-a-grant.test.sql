begin;
select plan(17);
insert into public.integrations_master (service_name, oauth_config, allowed_hosts)
values ('acme', jsonb_build_object('token_url', 'https://acme.example.com/token', 'client_secret', tests.jwe()), '{acme.example.com}');
select save_grant('acme', tests.id(1), tests.id(100), tests.jwe('a1'), tests.jwe('r1'), 3600);

create temp table claim as select claim_refresh('acme', tests.id(1), 1) as c;
select is((select c ->> 'outcome' from claim), 'claimed', 'the first worker that asks gets the refresh');
select is((select c ->> 'refresh_token' from claim), tests.jwe('r1'), 'with the refresh token');
select is((select c #>> '{oauth_config,token_url}' from claim), 'https://acme.example.com/token', 'the client');
select is((select c ->> 'access_token' from claim), null, 'and no token that is no good');
select is(claim_refresh('acme', tests.id(1), 1) ->> 'outcome', 'busy', 'the others hear that it is under way');
select is((claim_refresh('acme', tests.id(1), 1) ->> 'retry_at') is not null, true, 'and until when to wait at most');

update public.user_integrations set refresh_leased_until = clock_timestamp() - interval '1 second';
select is(claim_refresh('acme', tests.id(1), 1) ->> 'epoch', '2', 'when its lease is over, another worker gets it with a new epoch');
select is(store_refreshed_grant(tests.id(100), 1, 1, tests.jwe('a2'), tests.jwe('r2'), 3600), false, 'the stale worker cannot store');
select is((select refresh_token from public.user_integrations), tests.jwe('r1'), 'and changes nothing');
select is(fail_refresh(tests.id(100), 1, 'invalid_grant', 'stale'), false, 'nor can it fail the grant');
select is(store_refreshed_grant(tests.id(100), 2, 0, tests.jwe('a2'), tests.jwe('r2'), 3600), false, 'nor can anyone with another version than was claimed');
select is(store_refreshed_grant(tests.id(100), 2, 1, tests.jwe('a2'), null, 3600), true, 'the owner stores');
select results_eq(
  'select access_token, refresh_token, token_version, token_expires_at from public.user_integrations',
  $$values (tests.jwe('a2'), tests.jwe('r1'), 2, now() + interval '1 hour')$$, 'a provider that does not rotate leaves the refresh token as it was');
select is(store_refreshed_grant(tests.id(100), 2, 1, tests.jwe('a3'), null, 3600), false, 'only once');

create temp table late as select claim_refresh('acme', tests.id(1), 1) as c;
select is((select c ->> 'outcome' from late), 'fresh', 'who comes late hears that it was done');
select is((select c ->> 'access_token' from late), tests.jwe('a2'), 'and gets the new token');
select is(claim_refresh('acme', tests.id(9), 1) ->> 'outcome', 'no_grant', 'a user who never connected has no grant');

select * from finish();
rollback;
