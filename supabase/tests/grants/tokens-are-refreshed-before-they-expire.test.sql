begin;
select plan(3);
insert into public.integrations_master (service_name, oauth_config, enabled, disabled_reason, disabled_by) values
  ('acme', '{}', true, null, null), ('switched-off', '{}', false, 'why', 'Ada'), ('no-client', null, true, null, null);
insert into public.user_integrations (service_name, user_id, refresh_token, token_expires_at, needs_reauth, refresh_leased_until, refresh_not_before) values
  ('acme', tests.id(1), tests.jwe(), now() + interval '9 minutes', false, null, null),
  ('acme', tests.id(2), tests.jwe(), now() - interval '1 minute', false, null, null),
  ('acme', tests.id(3), tests.jwe(), now() + interval '11 minutes', false, null, null),
  ('acme', tests.id(4), tests.jwe(), now(), true, null, null),
  ('acme', tests.id(5), tests.jwe(), now(), false, now() + interval '1 minute', null),
  ('acme', tests.id(6), tests.jwe(), now(), false, null, now() + interval '1 minute'),
  ('acme', tests.id(7), null, now(), false, null, null),
  ('acme', tests.id(8), tests.jwe(), null, false, null, null),
  ('switched-off', tests.id(1), tests.jwe(), now(), false, null, null),
  ('no-client', tests.id(1), tests.jwe(), now(), false, null, null);

select is(
  jsonb_path_query_array(expiring_grants(10), '$[*].user_id'), jsonb_build_array(tests.id(2), tests.id(1)),
  'those within ten minutes come, the most urgent first, and none that cannot be refreshed now');
select is(jsonb_array_length(expiring_grants(1)), 1, 'no more than asked for');
select is((expiring_grants(10) -> 0) ? 'refresh_token', false, 'no token is handed out');

select * from finish();
rollback;
