-- The numbers people look at. Where there is no data the answer is null, never 100 %.

create view public.active_failures with (security_invoker = true) as
select e.id as recovery_id, e.event_id, e.service_name, e.failure_category, e.failure_reason, e.action_taken,
  e.analyzer_signals ->> 'owner' as owner, e.analyzer_signals ->> 'advice' as advice, e.attempts, e.next_retry_at,
  coalesce(e.leased_until > now(), false) as is_under_way, e.created_at
from public.system_integrity_events e
where e.status = 'pending'
order by e.created_at;
comment on view public.active_failures is 'Failures that are not settled and may still heal, oldest first.';
comment on column public.active_failures.recovery_id is 'Identity, for resolve_recovery().';
comment on column public.active_failures.event_id is 'The failed call in integration_events.';
comment on column public.active_failures.service_name is 'The integration.';
comment on column public.active_failures.failure_category is 'auth, rate_limit, network, data or unknown.';
comment on column public.active_failures.failure_reason is 'The error text of the last try.';
comment on column public.active_failures.action_taken is 'What was done last.';
comment on column public.active_failures.owner is 'Who must act: us, the provider, or you.';
comment on column public.active_failures.advice is 'What may help.';
comment on column public.active_failures.attempts is 'How often the call was repeated.';
comment on column public.active_failures.next_retry_at is 'When it is repeated next; null: it waits for people or for a success.';
comment on column public.active_failures.is_under_way is 'Whether a worker is at it now.';
comment on column public.active_failures.created_at is 'When it was reported.';

create view public.disabled_integrations with (security_invoker = true) as
select i.service_name, i.disabled_reason, i.disabled_at, i.disabled_by,
  case when i.disabled_by = 'self-heal' then i.breaker_until end as next_probe_at,
  (select count(*) from public.system_integrity_events e where e.service_name = i.service_name and e.status = 'disabled') as held_failures
from public.integrations_master i
where not i.enabled
order by i.disabled_at;
comment on view public.disabled_integrations is 'Integrations whose calls are held back, and why.';
comment on column public.disabled_integrations.service_name is 'The integration.';
comment on column public.disabled_integrations.disabled_reason is 'Why it is disabled.';
comment on column public.disabled_integrations.disabled_at is 'Since when.';
comment on column public.disabled_integrations.disabled_by is 'self-heal (comes back by itself), or the person that disabled it.';
comment on column public.disabled_integrations.next_probe_at is 'When one call may pass to see whether it works again; null: only a person enables it.';
comment on column public.disabled_integrations.held_failures is 'Failures that wait for it.';

create view public.recovery_rate_24h with (security_invoker = true) as
select e.service_name, count(*) as failures, count(*) filter (where e.status = 'resolved') as resolved,
  round(avg((e.status = 'resolved')::integer), 4) as recovery_rate
from public.system_integrity_events e
where e.created_at > now() - interval '24 hours'
group by grouping sets ((e.service_name), ())
order by e.service_name nulls first;
comment on view public.recovery_rate_24h is 'Of the failures reported in the last 24 hours, how many are resolved: by service, and overall.';
comment on column public.recovery_rate_24h.service_name is 'The integration; null: all together.';
comment on column public.recovery_rate_24h.failures is 'How many were reported.';
comment on column public.recovery_rate_24h.resolved is 'How many of them are resolved.';
comment on column public.recovery_rate_24h.recovery_rate is 'Share of resolved ones, 0 to 1; null: nothing failed.';

create view public.mean_time_to_recovery with (security_invoker = true) as
select e.service_name, count(*) as resolved, avg(e.resolved_at - e.created_at) as mean_time,
  percentile_cont(0.5) within group (order by e.resolved_at - e.created_at) as median_time, max(e.resolved_at - e.created_at) as longest_time
from public.system_integrity_events e
where e.status = 'resolved' and e.resolved_at > now() - interval '7 days'
group by grouping sets ((e.service_name), ())
order by e.service_name nulls first;
comment on view public.mean_time_to_recovery is 'How long failures took that were resolved in the last 7 days: by service, and overall.';
comment on column public.mean_time_to_recovery.service_name is 'The integration; null: all together.';
comment on column public.mean_time_to_recovery.resolved is 'How many were resolved.';
comment on column public.mean_time_to_recovery.mean_time is 'Mean time from report to resolution; null: nothing was resolved.';
comment on column public.mean_time_to_recovery.median_time is 'Half took no longer; null: nothing was resolved.';
comment on column public.mean_time_to_recovery.longest_time is 'The longest; null: nothing was resolved.';

create view public.top_failing_services with (security_invoker = true) as
select e.service_name, count(*) as failures, count(*) filter (where e.status <> 'resolved') as unresolved,
  mode() within group (order by e.failure_category) as commonest_category, max(e.created_at) as last_failure_at
from public.system_integrity_events e
where e.created_at > now() - interval '7 days'
group by e.service_name
order by failures desc, e.service_name;
comment on view public.top_failing_services is 'Services by the number of failures reported in the last 7 days, most first.';
comment on column public.top_failing_services.service_name is 'The integration.';
comment on column public.top_failing_services.failures is 'How many were reported.';
comment on column public.top_failing_services.unresolved is 'How many of them are still open.';
comment on column public.top_failing_services.commonest_category is 'The category of most of them.';
comment on column public.top_failing_services.last_failure_at is 'When the last one was reported.';

create view public.failure_category_distribution with (security_invoker = true) as
select t.failure_category, count(e.id) as failures, round(count(e.id) / nullif(sum(count(e.id)) over (), 0), 4) as share
from public.recovery_thresholds t
left join public.system_integrity_events e on e.failure_category = t.failure_category and e.created_at > now() - interval '7 days'
group by t.failure_category
order by failures desc, t.failure_category;
comment on view public.failure_category_distribution is 'Failures reported in the last 7 days by category, those without any included.';
comment on column public.failure_category_distribution.failure_category is 'auth, rate_limit, network, data or unknown.';
comment on column public.failure_category_distribution.failures is 'How many were reported.';
comment on column public.failure_category_distribution.share is 'Of all of them, 0 to 1; null: nothing failed.';

create view public.service_success_rates with (security_invoker = true) as
select coalesce(i.service_name, c.service_name) as service_name, coalesce(c.calls, 0) as calls, coalesce(c.succeeded, 0) as succeeded,
  coalesce(c.healed, 0) as healed, round(c.succeeded::numeric / c.calls, 4) as success_rate,
  round((c.succeeded - c.healed)::numeric / c.calls, 4) as first_try_success_rate
from public.integrations_master i full join (
  select e.service_name, count(*) as calls, count(*) filter (where e.status = 'success') as succeeded,
    count(*) filter (where e.status = 'success' and e.retry_count > 0) as healed
  from public.integration_events e
  where e.created_at > now() - interval '7 days' and e.status <> 'pending' and e.service_name is not null
  group by e.service_name
) c on c.service_name = i.service_name
where i.service_name is not null or c.service_name is not null
order by success_rate nulls last, service_name;
comment on view public.service_success_rates is 'Calls of the last 7 days by service: how many succeeded, at once or after healing.';
comment on column public.service_success_rates.service_name is 'The integration.';
comment on column public.service_success_rates.calls is 'How many calls ended.';
comment on column public.service_success_rates.succeeded is 'How many succeeded in the end.';
comment on column public.service_success_rates.healed is 'How many of those only when they were repeated.';
comment on column public.service_success_rates.success_rate is 'Share that succeeded in the end, 0 to 1; null: no call ended.';
comment on column public.service_success_rates.first_try_success_rate is 'Share that succeeded at once, 0 to 1; null: no call ended.';

create view public.llm_usage with (security_invoker = true) as
select d.day::date as day, coalesce(e.failures, 0) as failures, coalesce(e.explained, 0) as explained, round(e.explained::numeric / e.failures, 4) as share
from generate_series(date_trunc('day', now() at time zone 'UTC') - interval '29 days', now() at time zone 'UTC', interval '1 day') d (day)
left join (
  select date_trunc('day', f.created_at at time zone 'UTC') as day, count(*) as failures, count(f.llm_reasoning) as explained
  from public.system_integrity_events f
  where f.created_at > now() - interval '30 days'
  group by 1
) e on e.day = d.day
order by d.day desc;
comment on view public.llm_usage is 'How many of the failures of each of the last 30 days a language model explained.';
comment on column public.llm_usage.day is 'The day, UTC.';
comment on column public.llm_usage.failures is 'How many were reported.';
comment on column public.llm_usage.explained is 'How many a language model explained.';
comment on column public.llm_usage.share is 'Share of explained ones, 0 to 1; null: nothing failed.';

create view public.open_failure_groups with (security_invoker = true) as
select g.id as group_id, g.service_name, g.failure_category, (array_agg(e.failure_reason order by e.created_at desc))[1] as failure_reason,
  count(*) as occurrences, count(*) filter (where e.status <> 'resolved') as unresolved, g.opened_at, max(e.created_at) as last_failure_at
from public.failure_groups g join public.system_integrity_events e on e.group_id = g.id
where g.closed_at is null
group by g.id
order by g.opened_at;
comment on view public.open_failure_groups is 'What is wrong now: equal failures counted together, longest open first.';
comment on column public.open_failure_groups.group_id is 'Identity of the group.';
comment on column public.open_failure_groups.service_name is 'The integration.';
comment on column public.open_failure_groups.failure_category is 'Category of the first failure.';
comment on column public.open_failure_groups.failure_reason is 'The error text of the latest.';
comment on column public.open_failure_groups.occurrences is 'How often it failed since the group was opened.';
comment on column public.open_failure_groups.unresolved is 'How many of those are still open.';
comment on column public.open_failure_groups.opened_at is 'When the first failure came.';
comment on column public.open_failure_groups.last_failure_at is 'When the latest came.';

create view public.self_heal_kpis with (security_invoker = true) as
select
  (select count(*) from public.system_integrity_events where status = 'pending') as active_failures,
  (select count(*) from public.system_integrity_events where status = 'disabled') as held_failures,
  (select count(*) from public.integrations_master where not enabled) as disabled_integrations,
  (select count(*) from public.failure_groups where closed_at is null) as open_failure_groups,
  rate.failures as failures_24h, rate.recovery_rate as recovery_rate_24h,
  (select m.mean_time from public.mean_time_to_recovery m where m.service_name is null) as mean_time_to_recovery,
  (select s.service_name from public.top_failing_services s limit 1) as top_failing_service,
  (select round(sum(s.succeeded) / nullif(sum(s.calls), 0), 4) from public.service_success_rates s) as success_rate_7d,
  (select count(*) from public.outbox where delivered_at is null and failed_at is null) as waiting_messages,
  (select count(*) from public.outbox where failed_at is not null) as dead_letters
from public.recovery_rate_24h rate
where rate.service_name is null;
comment on view public.self_heal_kpis is 'The dashboard in one row; null wherever there is no data.';
comment on column public.self_heal_kpis.active_failures is 'Failures that are not settled (status pending).';
comment on column public.self_heal_kpis.held_failures is 'Failures that wait for a disabled integration (status disabled).';
comment on column public.self_heal_kpis.disabled_integrations is 'Integrations that are disabled.';
comment on column public.self_heal_kpis.open_failure_groups is 'Different failures that are open.';
comment on column public.self_heal_kpis.failures_24h is 'Failures reported in the last 24 hours.';
comment on column public.self_heal_kpis.recovery_rate_24h is 'Share of those that are resolved, 0 to 1; null: nothing failed.';
comment on column public.self_heal_kpis.mean_time_to_recovery is 'Mean time to recovery of the last 7 days; null: nothing was resolved.';
comment on column public.self_heal_kpis.top_failing_service is 'The service with most failures in the last 7 days; null: nothing failed.';
comment on column public.self_heal_kpis.success_rate_7d is 'Share of the last 7 days calls that succeeded in the end, 0 to 1; null: no call ended.';
comment on column public.self_heal_kpis.waiting_messages is 'Messages that are still to be delivered.';
comment on column public.self_heal_kpis.dead_letters is 'Messages that could not be delivered.';

revoke all on
  public.active_failures,
  public.disabled_integrations,
  public.recovery_rate_24h,
  public.mean_time_to_recovery,
  public.top_failing_services,
  public.failure_category_distribution,
  public.service_success_rates,
  public.llm_usage,
  public.open_failure_groups,
  public.self_heal_kpis
from public, anon, authenticated, service_role;
grant select on
  public.active_failures,
  public.disabled_integrations,
  public.recovery_rate_24h,
  public.mean_time_to_recovery,
  public.top_failing_services,
  public.failure_category_distribution,
  public.service_success_rates,
  public.llm_usage,
  public.open_failure_groups,
  public.self_heal_kpis
to service_role;
