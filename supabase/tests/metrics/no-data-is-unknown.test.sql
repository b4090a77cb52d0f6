begin;
select plan(9);
delete from public.integrations_master;
insert into public.integrations_master (service_name) values ('silent');

select is((select count(*) from public.self_heal_kpis), 1::bigint, 'the dashboard has one row even when nothing happened');
select is((select recovery_rate_24h from public.self_heal_kpis), null, 'without failures the recovery rate is unknown');
select is((select mean_time_to_recovery from public.self_heal_kpis), null, 'so is the time to recovery');
select is((select success_rate_7d from public.self_heal_kpis), null, 'so is the success rate without calls');
select is((select top_failing_service from public.self_heal_kpis), null, 'no service fails most');
select is((select array_agg(distinct share) from public.failure_category_distribution), '{null}', 'no category has a share');
select results_eq(
  'select calls, success_rate, first_try_success_rate from public.service_success_rates', 'values (0::bigint, null::numeric, null::numeric)',
  'a service without calls has no rate');
select is((select count(*) from public.llm_usage where share is null), 30::bigint, 'thirty days without failures have no share');
select is((select active_failures + disabled_integrations + dead_letters from public.self_heal_kpis), 0::bigint, 'counts are zero');

select * from finish();
rollback;
