begin;
select plan(41);

delete from public.drift_scores;
delete from public.incidents;
delete from public.health_scores;
delete from public.integration_events;
update public.timers set succeeded_at = now() where name = 'incidents';
update public.system_mode set changed_at = now() - interval '1 day' where id = 1;

select is(private.health_grade(score), grade, format('%s is grade %s', score, grade))
from (values (100, 'A'), (90, 'A'), (89, 'B'), (75, 'B'), (74, 'C'), (60, 'C'), (59, 'D'), (40, 'D'), (39, 'F'), (0, 'F')) g (score, grade);
select is(private.health_grade(null), null, 'without a score there is no grade');

-- An evaluation so many minutes from now, at which integrity and incidents are worth a score; null: nothing is known.
create function pg_temp.evaluate(p_minutes numeric, p_score integer) returns text language plpgsql as $$
declare
  v_now timestamptz := now() + p_minutes * interval '1 minute';
begin
  delete from public.drift_scores;
  delete from public.incidents;
  if p_score is not null then
    -- 50 points are known, the incidents' 20 among them.
    insert into public.drift_scores (score, lost, unknown, created_at) values (least(100, ceil(p_score * 50 / 30.0)), '[]', '[]', v_now);
    insert into public.incidents (dedup_key, priority, status, source, title, details, snapshot, checked_at, opened_at)
    select 'test:' || n, 'P1', 'AUTO_HEALING', 'test', 'Test', '{}', '{}', now(), now() from generate_series(1, case when p_score < 100 then 2 else 0 end) n;
  end if;
  return public.evaluate_health(v_now) ->> 'change';
end $$;
create function pg_temp.mode() returns text language sql as $$ select mode from public.system_mode $$;

select is((pg_temp.evaluate(0, 39), pg_temp.mode())::text, '(,normal)', 'one F does nothing');
select is((select (score, grade, known_max)::text from public.health_scores), '(39,F,50)', 'but it is stored');
select is((pg_temp.evaluate(-0.5, 39), pg_temp.mode())::text, '(,normal)', 'a turn that had to wait for another one is none');
select is((pg_temp.evaluate(0.9, 39), pg_temp.mode())::text, '(,normal)', 'a turn that was held up and comes together with the next is none');
select is((pg_temp.evaluate(5, 40), pg_temp.mode())::text, '(,normal)', 'nor does an F after which it went better');
select is((pg_temp.evaluate(10, 39), pg_temp.evaluate(15, null), pg_temp.evaluate(20, 39), pg_temp.mode())::text, '(,,,normal)', 'what is unknown is no F, and an F before it does not count');
select is((pg_temp.evaluate(35, 39), pg_temp.mode())::text, '(,normal)', 'two F that are 15 minutes apart are not in a row');
select is((pg_temp.evaluate(40, 30), pg_temp.mode())::text, '(entered_safe_mode,safe)', 'two F in a row engage safe mode');
select is((select (automatic, changed_by)::text from public.system_mode), '(t,health)', 'which is on record as the health score''s doing');
select is((select reason from public.system_mode), 'Health score 30 of 100, grade F, twice in a row; least healthy: incidents 0 of 20, integrity 15.00 of 30', 'with the reason');
select is((select count(*) from public.outbox where kind = 'safe_mode_on' and channel = 'slack' and payload ->> 'automatic' = 'true'), 1::bigint, 'and people hear of it');
select is((pg_temp.evaluate(45, 30), pg_temp.mode())::text, '(,safe)', 'a third F changes nothing');

-- The mode's own clock stands still within a test.
create function pg_temp.changed(p_minutes integer) returns void language sql as $$
  update public.system_mode set changed_at = now() + p_minutes * interval '1 minute' where id = 1
$$;
update public.system_mode set mode = 'normal' where id = 1;
select pg_temp.changed(47);
select is((pg_temp.evaluate(50, 30), pg_temp.mode())::text, '(,normal)', 'where a person ended it, what was F before does not count');
select is((pg_temp.evaluate(55, 30), pg_temp.mode())::text, '(entered_safe_mode,safe)', 'two new F engage it again');

select pg_temp.changed(55);
select is((pg_temp.evaluate(60, 60), pg_temp.evaluate(65, 100), pg_temp.evaluate(70, 60), pg_temp.evaluate(75, 60), pg_temp.evaluate(80, 60), pg_temp.mode())::text,
  '(,,,,,safe)', 'it is not left as soon as the grade is better');
select is((pg_temp.evaluate(85, 59), pg_temp.mode())::text, '(,safe)', 'nor after 30 minutes, when one evaluation was worse than C');
select is((pg_temp.evaluate(90, 60), pg_temp.evaluate(95, 60), pg_temp.evaluate(100, null), pg_temp.evaluate(105, 60), pg_temp.evaluate(110, 60), pg_temp.evaluate(115, 60), pg_temp.mode())::text,
  '(,,,,,,safe)', 'nor when one knew nothing');
select is((pg_temp.evaluate(120, 60), pg_temp.evaluate(125, 60), pg_temp.mode())::text, '(,,safe)', 'it has to be clean all the time');
select is((pg_temp.evaluate(129, 60), pg_temp.mode())::text, '(,safe)', 'up to the last minute');
select is((pg_temp.evaluate(130, 60), pg_temp.mode())::text, '(left_safe_mode,normal)', 'after 30 clean minutes it is left');
select is((select count(*) from public.audit_log where subsystem = 'system-mode' and action = 'safe_mode.left' and actor = 'system' and payload ->> 'automatic' = 'true'), 1::bigint, 'which is on record as well');

select enter_safe_mode('Once more', 'health', 'system', true), pg_temp.changed(131);
select is((pg_temp.evaluate(140, 100), pg_temp.evaluate(156, 100), pg_temp.evaluate(170, 100), pg_temp.mode())::text, '(,,,safe)', 'a gap in the evaluations is not clean');
update public.settings set value = '10' where name = 'safe_mode_clean_minutes';
select is((pg_temp.evaluate(175, 100), pg_temp.mode())::text, '(left_safe_mode,normal)', 'the clean period is a setting');

select enter_safe_mode('By hand', 'ada', 'user:ada'), pg_temp.changed(176);
select is((pg_temp.evaluate(180, 100), pg_temp.evaluate(185, 100), pg_temp.evaluate(190, 100), pg_temp.mode())::text, '(,,,safe)', 'what a person engaged only people end');

select is((select count(*) from public.health_scores where created_at <= now() + interval '90 minutes'), 17::bigint, 'every evaluation is kept');
select pg_temp.evaluate(91 * 24 * 60, 100);
select is((select count(*) from public.health_scores), 1::bigint, 'for 90 days');

update public.system_mode set mode = 'normal' where id = 1;
delete from public.health_scores;
create or replace function public.enter_safe_mode(p_reason text, p_enabled_by text, p_actor text, p_automatic boolean default false) returns jsonb
language plpgsql as $$ begin raise exception using errcode = 'PT503', hint = 'safe_mode.writers_in_flight', message = 'Writers did not end'; end $$;
select is((pg_temp.evaluate(5, 30), pg_temp.evaluate(10, 30))::text, '(,safe_mode_refused)', 'when safe mode cannot be engaged, that is said');
select is((select payload ->> 'error' from public.audit_log where subsystem = 'health' and action = 'safe_mode.not_entered' and kind = 'error'), 'Writers did not end', 'and recorded');
select is((select count(*) from public.health_scores), 2::bigint, 'the evaluations are kept');
select is(pg_temp.evaluate(15, 30), 'safe_mode_refused', 'so that each further one tries again');

select * from finish();
rollback;
