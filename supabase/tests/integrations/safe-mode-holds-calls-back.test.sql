begin;
select plan(12);
insert into public.integrations_master (service_name) values ('acme'), ('open');
update public.integrations_master set breaker_state = 'open', breaker_trips = 1, breaker_until = now() where service_name = 'open';
insert into public.user_integrations (service_name, access_token) values ('acme', tests.jwe());

create function pg_temp.begun(p_service_name text, p_method text) returns text language sql as $$
  select concat_ws(' ', a ->> 'allowed', a ->> 'reason') from begin_integration_call(p_service_name, p_method => p_method) a
$$;

select is(pg_temp.begun('acme', 'POST'), 'true', 'calls pass at first');
update public.system_mode set mode = 'safe';
select is(pg_temp.begun('acme', m), 'false safe_mode', m || ' is held back in safe mode') from unnest('{POST,PUT,PATCH,DELETE,MOVE}'::text[]) m;
select is(begin_integration_call('acme') ->> 'reason', 'safe_mode', 'so is what does not say what it does');
select is((select array_agg(pg_temp.begun('acme', m)) from unnest('{GET,HEAD,OPTIONS,get}'::text[]) m), '{true,true,true,true}', 'what changes nothing passes');
select is(begin_integration_call('stranger') ->> 'reason', 'safe_mode', 'a service that is not registered is no exception');
select isnt(begin_integration_call('acme', p_method => 'GET') -> 'grant', 'null', 'and gets its token');
select is(pg_temp.begun('open', 'POST'), 'false safe_mode', 'a call that is held back is no probe');
select is(pg_temp.begun('open', 'GET'), 'true', 'but the next one that passes is');
select * from finish();
rollback;
