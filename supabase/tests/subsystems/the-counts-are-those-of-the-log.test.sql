begin;
select plan(10);

create function pg_temp.log(p_subsystem text, p_kind text, p_events integer) returns integer language sql as $$
  select log_subsystem_events((select jsonb_agg(jsonb_build_object(
    'subsystem', p_subsystem, 'kind', p_kind, 'actor', 'a', 'action', 'b', 'resource', 'c', 'result', 'd')) from generate_series(1, p_events)))
$$;
create function pg_temp.stats() returns jsonb language sql as $$
  select jsonb_object_agg(key, value - 'last_logged') from jsonb_each(subsystem_stats()) where key in ('billing', 'weather')
$$;
-- As if the sealing had come as far as the log: here its transaction has not ended.
create function pg_temp.seal_all() returns void language sql as $$
  update public.immutable_tables set sealed_seq = (select max(immutable_seq) from public.audit_log) where name = 'audit_log'
$$;

select is(subsystem_stats() -> 'billing', null, 'a subsystem that logged nothing has no counts');
select pg_temp.log('billing', 'action', 3), pg_temp.log('billing', 'error', 1), pg_temp.log('weather', 'prediction', 2);
create temp table expected as
select '{"billing": {"event_counts": {"action": 3, "error": 1}, "total_events": 4}, "weather": {"event_counts": {"prediction": 2}, "total_events": 2}}'::jsonb as stats;
select is(pg_temp.stats(), (select stats from expected), 'events count at once');
select is((subsystem_stats() #>> '{billing,last_logged}')::timestamptz, date_trunc('milliseconds', now()), 'with the time of the newest');
select matches(subsystem_stats() #>> '{billing,last_logged}', '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$', 'in ISO 8601');

select private.count_subsystem_events();
select is((select coalesce(sum(events), 0) from public.subsystem_counts where subsystem in ('billing', 'weather')), 0::numeric, 'what may still be rolled back is not counted for good');
select pg_temp.seal_all();
select private.count_subsystem_events(), private.count_subsystem_events();
select is((select sum(events) from public.subsystem_counts where subsystem in ('billing', 'weather')), 6::numeric, 'what is sealed is, and once');
select is(pg_temp.stats(), (select stats from expected), 'and the figures stay the same');
select pg_temp.log('billing', 'error', 5);
select is(pg_temp.stats() #> '{billing,event_counts}', '{"action": 3, "error": 6}', 'new events add to them');
select pg_temp.seal_all();
select private.count_subsystem_events();
select is(pg_temp.stats() #> '{billing}', '{"event_counts": {"action": 3, "error": 6}, "total_events": 9}', 'also when they are sealed');

select pg_temp.log('billing', 'error', 1);
select seal_audit('audit_log');
select record_publication('audit_log', 'store', (audit_head('audit_log') ->> 'size')::bigint, audit_head('audit_log') ->> 'root', 'note');
select private.drop_audit_segment('audit_log', (audit_head('audit_log') ->> 'block')::bigint, repeat('0', 64));
select is(pg_temp.stats() #>> '{billing,total_events}', '10', 'and when their rows are dropped before they were counted');

select * from finish();
rollback;
