begin;
select plan(22);

delete from public.drift_scores;
delete from public.integration_events;
delete from public.incidents;
delete from private.told_migration;
update public.timers set succeeded_at = null, installed_at = now();

create function pg_temp.unknown(p_now timestamptz default now()) returns text[] language sql as $$
  select array(select key from jsonb_each(private.health(p_now) -> 'components') where value ->> 'state' = 'unknown' order by 1)
$$;
select is(pg_temp.unknown(), '{backup,error_rate,incidents,integrity,latency,migrations}', 'of a platform without data nothing is known');
select is((private.health(now()) ->> 'score', private.health(now()) ->> 'grade', private.health(now()) -> 'known_max')::text, '(,,0)', 'so it has no score and no grade');
select is((select count(*) from jsonb_each(private.health(now()) -> 'components') where value -> 'points' <> 'null' or length(value ->> 'explanation') < 20), 0::bigint,
  'each component says why');

insert into public.drift_scores (score, lost, unknown, created_at) values (100, '[]', '[]', now());
select is(pg_temp.unknown(), '{backup,error_rate,incidents,latency,migrations}', 'a drift score makes integrity known');
select is(private.health(now()) -> 'score', 'null', 'but 30 of 100 points are too little to judge by');
insert into public.integration_events (service_name, status) values ('acme', 'success');
select is(pg_temp.unknown(), '{backup,incidents,latency,migrations}', 'calls make the error rate known, and the latency only if they were timed');
select is((private.health(now()) -> 'score', private.health(now()) ->> 'grade', private.health(now()) -> 'known_max')::text, '(100,A,50)', 'with 50 points known there is a score of those');
update public.integration_events set status = 'error';
select is((private.health(now()) -> 'score')::integer, 60, 'the share of them that is left: 30 of 50');

select is(pg_temp.unknown(now() + interval '15 minutes'), '{backup,incidents,latency,migrations}', 'a drift score is good for three turns');
select is(pg_temp.unknown(now() + interval '15 minutes 1 second'), '{backup,incidents,integrity,latency,migrations}', 'an older one is unknown, whatever it was');
insert into public.drift_scores (score, lost, unknown, created_at) values (null, '[]', '[]', now() + interval '1 second');
select is(pg_temp.unknown(), '{backup,incidents,integrity,latency,migrations}', 'so is a drift that is unknown itself');

insert into public.incidents (dedup_key, priority, status, source, title, details, snapshot, checked_at, opened_at)
values ('test:1', 'P1', 'AUTO_HEALING', 'test', 'Test', '{}', '{}', now(), now());
select alike(private.health(now()) #>> '{components,incidents,explanation}', '%timer "incidents"%unknown%', 'incidents that nobody follows yet are unknown, though one is open');
update public.timers set succeeded_at = now() where name = 'incidents';
select is(pg_temp.unknown(), '{backup,integrity,latency,migrations}', 'they are known while their timer is on time');
update public.timers set succeeded_at = now() - interval '1 hour', installed_at = now() - interval '1 hour' where name = 'incidents';
select alike(private.health(now()) #>> '{components,incidents,explanation}', '%timer "incidents"%late%', 'and unknown again when it is late');
update public.timers set enabled = false where name = 'incidents';
select is(private.health(now()) #>> '{components,incidents,state}', 'unknown', 'or switched off');
delete from public.timers where name = 'incidents';
select is(private.health(now()) #>> '{components,incidents,state}', 'unknown', 'or gone');

insert into public.backup_validations (valid, created_at) values (true, now() - interval '1 year');
select is(private.health(now()) #> '{components,backup,points}', '0', 'an old backup is known to be old');
select read_system_health();
select is(private.health(now()) #>> '{components,migrations,state}', 'unknown', 'who asks without telling what he needs makes nothing known');
select is(read_system_health('20261120000100') #>> '{components,migrations,state}', 'known', 'who tells does');
select is((read_system_health() #>> '{components,migrations,inputs,needed}'), '20261120000100', 'and it is remembered');
select throws_ok($$ select read_system_health('20261120000100; drop') $$, 'PT422', null, 'what is no version is refused');
select is(array(select jsonb_object_keys(read_system_health()) order by 1), '{components,evaluated_at,grade,known_max,mode,safeMode,score}', 'the report has all that it promises');

select * from finish();
rollback;
