begin;
select plan(9);
insert into public.integrations_master (service_name, oauth_config) values ('acme', '{"token_url": "https://acme.example.com/token"}');
select save_grant('acme', tests.id(1), tests.id(100), tests.jwe(), tests.jwe(), 3600);
select save_grant('acme', tests.id(2), tests.id(200), tests.jwe(), tests.jwe(), 3600);

create function pg_temp.fails_after_refresh(p_event integer) returns integer language sql as $$
  select tests.finish(tests.fail(p_event, 'acme', 'auth', jsonb_build_object('user_id', tests.id(1))) -> 'work', 'failed', '{"after_refresh": true}');
  select consecutive_failures from public.user_integrations where id = tests.id(100);
$$;
select is(pg_temp.fails_after_refresh(1), 1, 'a call refused with a fresh token counts against its grant');
select is(pg_temp.fails_after_refresh(2), 2, 'so does the next one');
select is((select needs_reauth from public.user_integrations where id = tests.id(100)), false, 'below the threshold the grant is kept');
select is(pg_temp.fails_after_refresh(3), 3, 'at the threshold');
select is((select needs_reauth from public.user_integrations where id = tests.id(100)), true, 'it needs its user');
select is((tests.integration('acme')).enabled, true, 'while another user''s grant works, the integration stays enabled');

update public.user_integrations set consecutive_failures = 2 where id = tests.id(200);
select tests.finish(tests.fail(4, 'acme', 'auth', jsonb_build_object('user_id', tests.id(2))) -> 'work', 'resolved');
select is((select consecutive_failures from public.user_integrations where id = tests.id(200)), 0, 'a success ends the count');

update public.recovery_thresholds set max_consecutive = null where failure_category = 'auth';
select is(
  tests.finish(tests.fail(5, 'acme', 'auth', jsonb_build_object('user_id', tests.id(2))) -> 'work', 'failed', '{"after_refresh": true}') -> 'accepted', 'true',
  'a threshold of never is understood');
select is((select needs_reauth from public.user_integrations where id = tests.id(200)), false, 'and asks no user');

select * from finish();
rollback;
