begin;
select plan(8);
delete from public.integrations_master;
insert into public.integrations_master (service_name) select 'service-' || n from generate_series(1, 5) n;

select private.note_failures('service-' || n, 'auth', 3) from generate_series(1, 5) n;
select is((select count(*) from public.integrations_master where not enabled), 2::bigint, 'at most half of all integrations are disabled automatically');
select is((select count(*) from public.audit_log where action = 'integration.disable_withheld'), 3::bigint, 'every one that was spared is on record');
select is(tests.told('disabled', 'service-1'), 1::bigint, 'people are told of one that is disabled');
select is(tests.told('disabled', 'service-5'), 0::bigint, 'and not of one that is spared');

select enable_integration('service-1', 'Ada');
select private.note_failures('service-5', 'auth', 3);
select is((tests.integration('service-5')).enabled, false, 'the spared one is disabled later, when there is room and it still fails');

select disable_integration('service-3', 'Maintenance', 'Ada');
select is((tests.integration('service-3')).disabled_by, 'Ada', 'people may disable any number');

delete from public.integrations_master where service_name <> 'service-4';
select private.note_failures('service-4', 'auth', 3);
select is((tests.integration('service-4')).enabled, false, 'a single integration may always be disabled');

delete from public.settings where name = 'max_auto_disabled_share';
select throws_ok($$select private.setting('max_auto_disabled_share')$$, 'PT500', null, 'a missing setting is an error, not a guess');

select * from finish();
rollback;
