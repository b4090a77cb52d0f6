begin;
select plan(9);
select tests.all_is_well();

select tests.break('acme', 'beta');
alter table public.incidents add constraint nothing_of_acme check (dedup_key <> 'integration:acme');
select is(tests.follow('00:00'), '{"opened": 1, "failed": 1}', 'what cannot be followed holds up no other');
select is((tests.incident('beta')).status, 'AUTO_HEALING', 'the other is opened');
select is(tests.follow('00:01'), '{"opened": 1, "failed": 1}', 'and there is something wrong with following, which people hear of');
select is((select (priority, title, details ->> 'detail', details ->> 'count')::text from public.incidents where dedup_key = 'incidents'),
  '(P2,"Incidents cannot be followed","integration:acme: new row for relation ""incidents"" violates check constraint ""nothing_of_acme"" (23514)",1)', 'with the reason');
select is((select count(*) from public.outbox where kind = 'incident_opened' and payload ->> 'dedup_key' = 'incidents' and channel = 'slack'), 1::bigint, 'it is told');
select is(tests.follow('00:02'), '{"failed": 1}', 'once');

alter table public.incidents drop constraint nothing_of_acme;
select is(tests.follow('00:03'), '{"opened": 1}', 'as soon as it can be followed it is');
select is(tests.follow('00:04'), '{"resolved": 1}', 'and nothing is wrong with following any more');

select throws_like($$insert into public.maintenance_windows (dedup_pattern, starts_at, ends_at, reason) values ('integration:acm\', now(), now() + interval '1 hour', 'Moving')$$,
  '%maintenance_window_pattern_does_not_end_with_a_backslash%', 'a pattern by which nothing can be compared is refused');

select * from finish();
rollback;
