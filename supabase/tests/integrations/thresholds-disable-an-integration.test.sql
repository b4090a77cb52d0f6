begin;
select plan(14);
delete from public.integrations_master;

create function pg_temp.fail_often(p_service text, p_category text, p_times integer) returns boolean language plpgsql as $$
begin
  insert into public.integrations_master (service_name) values (p_service);
  for n in 1..p_times loop
    perform private.note_failures(p_service, p_category, 1);
  end loop;
  return (tests.integration(p_service)).enabled;
end $$;
update public.settings set value = '1' where name = 'max_auto_disabled_share';

select is(pg_temp.fail_often('a', 'auth', 2), true, 'two auth failures in a row are borne');
select is(pg_temp.fail_often('b', 'auth', 3), false, 'three disable');
select is(pg_temp.fail_often('c', 'network', 8), true, 'eight network failures are borne');
select is(pg_temp.fail_often('d', 'network', 9), false, 'nine disable');
select is(pg_temp.fail_often('e', 'data', 4), true, 'four data failures are borne');
select is(pg_temp.fail_often('f', 'data', 5), false, 'five disable');
select is(pg_temp.fail_often('g', 'unknown', 4), true, 'four unknown failures are borne');
select is(pg_temp.fail_often('h', 'unknown', 5), false, 'five disable');
select is(pg_temp.fail_often('i', 'rate_limit', 1000), true, 'rate limits never disable');

select private.note_failures('a', 'network', 1);
select is((tests.integration('a')).enabled, true, 'categories are counted apart');

update public.failure_streaks set started_at = now() - interval '61 minutes' where service_name = 'e';
select private.note_failures('e', 'data', 1);
select is((tests.integration('e')).enabled, true, 'what began before the window does not count');
select is((select failures from public.failure_streaks where service_name = 'e'), 1, 'the count starts anew');

insert into public.integrations_master (service_name) values ('j');
select private.note_failures('j', 'auth', 1) from generate_series(1, 2);
select record_integration_events('[{"service_name": "j", "event_type": "call", "status": "success"}]');
select private.note_failures('j', 'auth', 1);
select is((tests.integration('j')).enabled, true, 'a success in between ends the row');

select results_eq(
  $$select disabled_by, disabled_reason, breaker_state from public.integrations_master where service_name = 'b'$$,
  $$values ('self-heal', '3 auth failures in a row', 'open')$$, 'it says who disabled it and why, and holds calls back');

select * from finish();
rollback;
