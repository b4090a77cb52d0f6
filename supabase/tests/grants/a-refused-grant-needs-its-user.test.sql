begin;
select plan(19);
insert into public.integrations_master (service_name, oauth_config) values ('acme', '{"token_url": "https://acme.example.com/token"}');
select save_grant('acme', tests.id(1), tests.id(100), tests.jwe(), tests.jwe(), 3600);

select claim_refresh('acme', tests.id(1), 1);
select is(fail_refresh(tests.id(100), 1, 'transient', 'HTTP 503', 5), true, 'a refresh that failed for a while');
select is(claim_refresh('acme', tests.id(1), 1) ->> 'outcome', 'backoff', 'is not tried again at once');
select is((select refresh_not_before from public.user_integrations), now() + interval '1 minute', 'but after a minute at the soonest');
update public.user_integrations set refresh_not_before = null;
select claim_refresh('acme', tests.id(1), 1);
select fail_refresh(tests.id(100), 2, 'unknown', 'Timeout', 600);
select is((select refresh_not_before from public.user_integrations), now() + interval '10 minutes', 'or as late as the provider asked');
select is(fail_refresh(tests.id(100), 2, 'invalid_grant', 'late'), false, 'a refresh fails once');
select is((select consecutive_failures from public.user_integrations), 2, 'failures are counted');

update public.user_integrations set refresh_not_before = null;
select claim_refresh('acme', tests.id(1), 1);
select is(fail_refresh(tests.id(100), 3, 'invalid_grant', 'Token has been revoked'), true, 'a grant that the provider refuses');
select is((select needs_reauth from public.user_integrations), true, 'needs its user');
select is(claim_refresh('acme', tests.id(1), 1) ->> 'outcome', 'needs_reauth', 'and is not refreshed any more');
select is((select count(*) from public.audit_log where action = 'grant.refresh_failed'), 3::bigint, 'every failed refresh is on record');

select tests.fail(1, 'acme', 'auth', jsonb_build_object('user_id', tests.id(1)));
select tests.finish(private.work_items(array[(tests.recovery(1)).id]) -> 0, 'gave_up', '{"attempts": 0, "reached_provider": false}');
select tests.fail(2, 'acme', 'auth', jsonb_build_object('user_id', tests.id(2)));
select tests.finish(private.work_items(array[(tests.recovery(2)).id]) -> 0, 'gave_up', '{"attempts": 0, "reached_provider": false}');
select is((tests.recovery(1)).next_retry_at, null, 'its failed calls wait for the user');

select throws_ok($$select save_grant('acme', tests.id(1), tests.id(101), tests.jwe(), tests.jwe(), 3600)$$, 'PT409', null,
  'tokens that were encrypted for another row are refused');
select throws_ok($$select save_grant('nobody', tests.id(1), tests.id(102), tests.jwe(), tests.jwe(), 3600)$$, 'PT404', null,
  'tokens of an unknown integration too');
select throws_ok($$select save_grant('acme', tests.id(3), tests.id(103), 'plain text', null, 3600)$$, '23514', null,
  'plain text is never stored');
select is(save_grant('acme', tests.id(1), tests.id(100), tests.jwe('new'), tests.jwe('new'), 3600), tests.id(100), 'the user connects again');
select results_eq(
  'select needs_reauth, consecutive_failures, access_token from public.user_integrations', $$values (false, 0, tests.jwe('new'))$$, 'the grant is good again');
select is((tests.recovery(1)).next_retry_at, now(), 'the user''s failed calls are due');
select is((tests.recovery(2)).next_retry_at, null, 'another user''s are not');
select is(store_refreshed_grant(tests.id(100), 3, 1, tests.jwe(), tests.jwe(), 3600), false, 'a refresh that began before cannot overwrite the new tokens');

select * from finish();
rollback;
