begin;
select plan(12);

select tests.stand_in_for_pg_net();

create function pg_temp.calls_of(p_timer text) returns bigint language plpgsql as $$
begin
  delete from net.calls;
  execute (select command from public.timers where name = p_timer);
  return (select count(*) from net.calls);
end $$;

update private.scan_watermark set scanned_until = now();
insert into public.integrations_master (service_name) values ('acme');
select is(pg_temp.calls_of('self-heal-due'), 0::bigint, 'nothing is due: the scan sleeps');
select is(pg_temp.calls_of('dispatch'), 0::bigint, 'nothing to say: the dispatcher sleeps');

update private.scan_watermark set scanned_until = now() - interval '15 minutes';
select is(pg_temp.calls_of('self-heal-due'), 0::bigint, 'what was scanned 15 minutes ago is not scanned yet');
update private.scan_watermark set scanned_until = now() - interval '16 minutes';
select is(pg_temp.calls_of('self-heal-due'), 1::bigint, 'when nobody scans, the database does');
update private.scan_watermark set scanned_until = now();

select tests.fail(1, 'acme', 'rate_limit', '{"plan": {"step": "wait", "action_taken": "Wait", "delay_seconds": 60}}');
select is(pg_temp.calls_of('self-heal-due'), 0::bigint, 'a retry in the future does not wake the scan');
update public.system_integrity_events set next_retry_at = now();
update public.integrations_master set rate_limited_until = null;
select is(pg_temp.calls_of('self-heal-due'), 1::bigint, 'a retry that is due does');
select is(pg_temp.calls_of('dispatch'), 1::bigint, 'a message wakes the dispatcher');
update public.outbox set not_before = now() + interval '1 minute';
select is(pg_temp.calls_of('dispatch'), 0::bigint, 'a message that is held back does not');

select disable_integration('acme', 'Not used any more', 'Ada');
select is(pg_temp.calls_of('self-heal-due'), 0::bigint, 'what nobody may repeat does not wake the scan');

insert into public.user_integrations (service_name, user_id, access_token, refresh_token, token_expires_at, token_version)
values ('acme', tests.id(1), tests.jwe(), tests.jwe(), now() + interval '5 minutes', 1);
update public.integrations_master set oauth_config = '{"token_url": "https://acme.example.com/token"}';
select is(pg_temp.calls_of('self-heal-due'), 0::bigint, 'nor does a token of an integration that is disabled');
select enable_integration('acme', 'Ada');
update public.system_integrity_events set next_retry_at = null;
select is(pg_temp.calls_of('self-heal-due'), 1::bigint, 'a token about to expire wakes the scan');
update public.user_integrations set refresh_not_before = now() + interval '1 minute';
select is(pg_temp.calls_of('self-heal-due'), 0::bigint, 'unless its refresh has to wait');

select * from finish();
rollback;
