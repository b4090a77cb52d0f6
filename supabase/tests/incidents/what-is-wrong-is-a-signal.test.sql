-- Nobody reports these: each is seen in the state of what it is about, is followed as an incident, and ends with it.
begin;
select plan(18);
select tests.all_is_well();

create function pg_temp.signals() returns text language sql as $$
  select string_agg(concat_ws(' ', dedup_key, priority, details ->> 'count', title, '-', details ->> 'detail'), '; ' order by dedup_key collate "C") from private.incident_signals
$$;
create function pg_temp.open() returns text language sql as $$
  select string_agg(dedup_key, ' ' order by dedup_key collate "C") from public.incidents where status not in ('RESOLVED', 'CLOSED')
$$;
select is(pg_temp.signals(), null, 'nothing is wrong');

create table public.orders (id integer primary key, total integer not null);
create function public.check_totals(p_entities text[] default null) returns table (entity text, expected text, actual text, details jsonb)
language sql stable set search_path = '' as $$
  select o.id::text, 'more than nothing', (1000 / o.total)::text, null::jsonb from public.orders o
  where (p_entities is null or o.id = any (p_entities::integer[])) and o.total <= 0
$$;
select register_invariant('TOTALS', 'check_totals', 'P1', p_incident_threshold => 2);
insert into public.orders values (1, -2);
select run_invariant('TOTALS');
select is(pg_temp.signals(), null, 'one violation is none where incidents begin with two');
insert into public.orders values (2, -5);
select run_invariant('TOTALS');
select is(pg_temp.signals(), 'invariant:TOTALS P1 2 TOTALS is violated - 1: expected more than nothing, found -500', 'an invariant that is violated is a signal, with the first of what violates it');
select is((select checked_at from private.incident_signals), now(), 'it says when it was checked');

insert into public.orders values (3, 0);
select run_invariant('TOTALS');
select is(pg_temp.signals(), 'invariant-error:TOTALS P2 1 TOTALS cannot be checked - The check failed: division by zero (22012).; '
  || 'invariant:TOTALS P1 2 TOTALS is violated - 1: expected more than nothing, found -500', 'one that cannot be checked is a second one, and does not end the first');
delete from public.orders;
select tests.follow('00:00');
select run_invariant('TOTALS');
select is(tests.follow('00:05'), '{"resolved": 2}', 'both end when nothing is found any more');
update public.invariants set last_run_at = now() - interval '16 minutes' where name = 'TOTALS';
update public.timers set succeeded_at = now() where name = 'invariants';
select is(pg_temp.signals(), 'invariant-error:TOTALS P2 1 TOTALS cannot be checked - The timer passed it over for 15 minutes, as somebody runs or changes it all the time.',
  'one that is never free is not forgotten');
update public.timers set succeeded_at = null where name = 'invariants';

select tests.break('acme');
select is(pg_temp.signals(), 'integration:acme P2 1 Integration acme is disabled - 3 auth failures in a row', 'an integration that healing has disabled is a signal');
update public.integrations_master set disabled_by = 'ada';
select is(pg_temp.signals(), null, 'one that a person has disabled is none');

update private.scan_watermark set scanned_until = now() - interval '31 minutes';
select alike(pg_temp.signals(), 'scan P2 1 The scan for failures that nobody reported is late - The last one was at 2%', 'a scan that is late is one');
update private.scan_watermark set scanned_until = now() - interval '30 minutes';
select is(pg_temp.signals(), null, 'after more than half an hour');

update public.timers set enabled = true where name = 'incidents';
update public.timers set installed_at = now() - interval '1 hour', succeeded_at = now() - interval '1 hour' where name = 'incidents';
select alike(pg_temp.signals(), 'timer:incidents P2 1 Timer incidents is late - Its last success was at 2%', 'a timer that is late is one');
update public.timers set enabled = false;
update public.schedulers set seen_at = now() - interval '1 hour' where name = 'github';
select alike(pg_temp.signals(), 'scheduler:github P3 1 Scheduler github is late - It last called at 2%', 'a scheduler that is late is one');
update public.schedulers set seen_at = null;

insert into public.audit_damage (table_name, kind, detail) values ('audit_log', 'edited', 'Row 3 was edited.'), ('audit_log', 'deleted', 'Row 4 is gone.');
insert into public.audit_refusals (table_name, place, kind, detail) values ('receipts', 'store', 'rewritten', 'The root is another one.');
select is(pg_temp.signals(), 'audit:audit_log P1 2 Table audit_log is not proved to be as it was - Row 3 was edited.; '
  || 'audit:receipts P1 1 Table receipts is not proved to be as it was - The root is another one.', 'damage of an immutable table is one, and so is a checkpoint that contradicts an earlier one');
update public.audit_damage set over_at = now();
delete from public.audit_refusals;

insert into public.outbox (channel, kind, payload, dedup_key, failed_at, last_error)
values ('slack', 'disabled', '{}', 'm', now() - interval '23 hours', 'HTTP 404'), ('pagerduty', 'page', '{}', 'm', now(), 'HTTP 400'),
  ('teams', 'disabled', '{}', 'm', now() - interval '25 hours', 'HTTP 404'), ('webhook', 'action', '{}', 'm', now(), 'HTTP 404');
select is(pg_temp.signals(), 'delivery:pagerduty P3 1 Messages to pagerduty were given up - HTTP 400; delivery:slack P3 1 Messages to slack were given up - HTTP 404',
  'messages to people and pages that were given up within a day are one for each channel');
update public.notification_channels set enabled = false where name = 'slack';
select is(pg_temp.signals(), 'delivery:pagerduty P3 1 Messages to pagerduty were given up - HTTP 400', 'unless nobody wants them there');

select is(
  (select count(*) from private.incident_signals where dedup_key not like source || '%' or title is null or details ->> 'detail' is null), 0::bigint,
  'each has a source, a title and a sentence');
select tests.follow('01:00');
select is(pg_temp.open(), 'delivery:pagerduty', 'and opens an incident');

select * from finish();
rollback;
