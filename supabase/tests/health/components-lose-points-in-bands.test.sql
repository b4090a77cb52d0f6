begin;
select plan(37);

create function pg_temp.points(p_component text, p_now timestamptz default now()) returns text language plpgsql as $$
declare
  v_points numeric;
begin
  execute format('select h.points from private.health_%s($1) h', p_component) into v_points using p_now;
  return trim_scale(v_points)::text;
end $$;
delete from public.drift_scores;
delete from public.integration_events;
delete from public.incidents;

create function pg_temp.drift(p_score integer) returns text language sql as $$
  insert into public.drift_scores (score, lost, unknown, created_at) values (p_score, '[]', '[]', now());
  select pg_temp.points('integrity')
$$;
select is(pg_temp.drift(100), '30', 'integrity: data without drift have all 30 points');
select is(pg_temp.drift(85), '25.5', 'integrity: in proportion to the drift score');
select is(pg_temp.drift(0), '0', 'integrity: or none');

-- Calls of n milliseconds, of which some failed.
create function pg_temp.calls(p_component text, p_calls integer, p_failed integer, p_duration_ms integer) returns text language sql as $$
  delete from public.integration_events;
  insert into public.integration_events (service_name, status, duration_ms)
  select 'acme', case when n <= p_failed then 'error' else 'success' end, p_duration_ms from generate_series(1, p_calls) n;
  select pg_temp.points(p_component)
$$;
select is(pg_temp.calls('error_rate', 100, 0, 1), '20', 'error_rate: without a failed call it has all 20 points');
select is(pg_temp.calls('error_rate', 100, 3, 1), '14', 'error_rate: 3 % cost 6');
select is(pg_temp.calls('error_rate', 1000, 99, 1), '0.2', 'error_rate: just below 10 % a little is left');
select is(pg_temp.calls('error_rate', 100, 10, 1), '0', 'error_rate: from 10 % on nothing');
select is(pg_temp.calls('error_rate', 100, 100, 1), '0', 'error_rate: nor less than nothing');
select is(pg_temp.calls('latency', 1, 0, ms), points, format('latency: %s ms are %s points', ms, points))
from (values (500, '15'), (501, '12'), (1000, '12'), (1001, '8'), (2000, '8'), (2001, '4'), (5000, '4'), (5001, '0')) b (ms, points);
insert into public.integration_events (service_name, status, duration_ms) select 'acme', 'success', 100 from generate_series(1, 19);
select is(pg_temp.points('latency'), '15', 'latency: one slow call of twenty does not count');
select record_integration_events('[{"service_name": "acme", "event_type": "call", "status": "error", "duration_ms": 9000}]');
select is(pg_temp.points('latency'), '0', 'latency: two of twenty-one do, failed ones as well');
select is(pg_temp.points('latency', now() + interval '59 minutes'), '0', 'latency: for an hour');
select is(pg_temp.points('latency', now() + interval '60 minutes'), null, 'latency: and no longer');
select is(pg_temp.points('error_rate', now() - interval '1 minute'), null, 'error_rate: what is not yet over does not count');
delete from public.integration_events;
insert into public.integration_events (service_name, status, error_code) values ('acme', 'error', 'circuit_open'), ('acme', 'success', null), ('acme', 'pending', null);
select is(pg_temp.points('error_rate'), '20', 'error_rate: what was held back, or is under way, did not fail');
delete from public.integration_events;
insert into public.integration_events (service_name, status, created_at)
select 'acme', case when n > 10000 then 'error' else 'success' end, now() - n * interval '1 millisecond' from generate_series(1, 12000) n;
select is((select (h.inputs ->> 'calls')::integer from private.health_error_rate(now()) h), 10000, 'error_rate: looks at the newest 10,000 calls');
select is(pg_temp.points('error_rate'), '20', 'error_rate: and not at those before');

update public.timers set succeeded_at = now() where name = 'incidents';
create function pg_temp.incidents(variadic p_priorities text[]) returns text language sql as $$
  delete from public.incidents;
  insert into public.incidents (dedup_key, priority, status, source, title, details, snapshot, checked_at, opened_at)
  select 'test:' || n, p, 'AUTO_HEALING', 'test', 'Test', '{}', '{}', now(), now() from unnest(p_priorities) with ordinality u (p, n);
  select pg_temp.points('incidents')
$$;
select is(pg_temp.incidents(variadic '{}'), '20', 'incidents: none open are all 20 points');
select is(pg_temp.incidents('P4', 'P4'), '20', 'incidents: P4 cost nothing');
select is(pg_temp.incidents('P3'), '18', 'incidents: a P3 costs 2');
select is(pg_temp.incidents('P2'), '15', 'incidents: a P2 costs 5');
select is(pg_temp.incidents('P1'), '10', 'incidents: a P1 costs 10');
select is(pg_temp.incidents('P1', 'P2', 'P3', 'P3'), '1', 'incidents: together they cost what each does');
update public.incidents set status = 'ACKNOWLEDGED', acknowledged_at = now(), acknowledged_by = 'ada' where priority = 'P1';
select is(pg_temp.points('incidents'), '1', 'incidents: one that a person took is still open');
update public.incidents set status = 'RESOLVED', resolved_at = now(), resolved_by = 'ada' where priority = 'P1';
select is(pg_temp.points('incidents'), '11', 'incidents: one that is resolved is not');
select is(pg_temp.incidents('P1', 'P1', 'P1'), '0', 'incidents: there are no points below nothing');

insert into public.backup_validations (valid) values (true);
select is(array(select pg_temp.points('backup', now() + age) from unnest('{0,23:59:59,24:00,47:59:59,48:00,71:59:59,72:00}'::interval[]) age),
  '{10,10,6,6,3,3,0}', 'backup: 10 points for a day, 6 for the next, 3 for the third, then none');
insert into public.backup_validations (valid) values (false);
select is(pg_temp.points('backup'), '0', 'backup: a newer one that is not valid takes them all');

select read_system_health((select max(version) from supabase_migrations.schema_migrations));
select is(pg_temp.points('migrations'), '5', 'migrations: the newest that the functions need is applied');
select read_system_health('99991231235959');
select is(pg_temp.points('migrations'), '0', 'migrations: or it is not');

select * from finish();
rollback;
