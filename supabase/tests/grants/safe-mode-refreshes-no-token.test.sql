begin;
select plan(8);
insert into public.integrations_master (service_name, oauth_config, allowed_hosts)
values ('acme', '{"token_url": "https://acme.example.com/token"}', '{acme.example.com}');
select save_grant('acme', tests.id(1), tests.id(100), tests.jwe('a1'), tests.jwe('r1'), 60);
select isnt(expiring_grants(9), '[]', 'a token that expires is to be refreshed');

update public.system_mode set mode = 'safe';
select is(expiring_grants(9), '[]', 'but not in safe mode');
create temp table claim as select claim_refresh('acme', tests.id(1), 1) as c;
select is((select c ->> 'outcome' from claim), 'safe_mode', 'a refresh that is asked for is refused');
select is((select c ->> 'refresh_token' from claim), null, 'without the refresh token');
select is((select refresh_leased_until from public.user_integrations), null, 'and nobody owns it');
select is(claim_refresh('acme', tests.id(1), 0) ->> 'outcome', 'fresh', 'a token that somebody else refreshed is handed out');

update public.system_mode set mode = 'normal';
select is(claim_refresh('acme', tests.id(1), 1) ->> 'outcome', 'claimed', 'afterwards it is refreshed');
update public.system_mode set mode = 'safe';
select is(store_refreshed_grant(tests.id(100), 1, 1, tests.jwe('a2'), tests.jwe('r2'), 3600), true, 'tokens that come while safe mode begins are kept: the old ones are used up');
select * from finish();
rollback;
