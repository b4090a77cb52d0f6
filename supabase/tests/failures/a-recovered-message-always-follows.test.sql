begin;
select plan(13);
insert into public.integrations_master (service_name) values ('acme');

select tests.finish(tests.fail(1, 'acme', 'network') -> 'work', 'resolved', '{"action_taken": "Repeated after 500 ms"}');
select is(tests.told('failure', 'acme'), 1::bigint, 'the first failure is told at once');
select is(tests.told('attempt', 'acme'), 1::bigint, 'with the attempt that follows');
select results_eq(
  $$select payload ->> 'action_taken', payload ->> 'failure_reason', payload ->> 'occurrences' from public.outbox where kind = 'recovered' and channel = 'slack'$$,
  $$values ('Repeated after 500 ms', 'network failure', '1')$$, 'and that it recovered, how, and from what');

select tests.finish(tests.fail(2, 'acme', 'network') -> 'work', 'resolved');
select is(tests.told('failure', 'acme'), 1::bigint, 'when it fails again within minutes and recovers, people hear nothing');
select is(tests.told('recovered', 'acme'), 1::bigint, 'not even that it recovered');

select tests.fail(3, 'acme', 'network');
select is((select max(not_before) from public.outbox), now() + interval '1 minute', 'people hear of it when it is still open after a minute');
update public.outbox set not_before = now();
select tests.finish(private.work_items(array[(tests.recovery(3)).id]) -> 0, 'resolved');
select is(tests.told('recovered', 'acme'), 2::bigint, 'and then that it recovered');

select tests.fail(4, 'acme', 'network');
select tests.finish(private.work_items(array[(tests.recovery(4)).id]) -> 0, 'failed');
select is((select count(*) from public.outbox where channel = 'slack' and dedup_key like 'group:%:unrecovered'), 1::bigint, 'a failure that healing cannot mend is told at once');
select resolve_recovery((tests.recovery(4)).id, 'Ada');
select is(tests.told('recovered', 'acme'), 3::bigint, 'so its end is told, too');
select is((select count(*) from public.outbox where channel = 'slack' and not_before > now()), 0::bigint, 'and nothing is left held back');

select tests.fail(5, 'acme', 'data', '{"plan": {"step": "tell", "action_taken": "Tell people"}}');
select tests.fail(6, 'acme', 'data', '{"plan": {"step": "tell", "action_taken": "Tell people"}}');
select resolve_recovery((tests.recovery(5)).id, 'Ada');
select is(tests.told('recovered', 'acme'), 3::bigint, 'while one of several equal failures is open nothing has recovered');
select is((select count(*) from public.failure_groups where closed_at is null), 1::bigint, 'and their group stays open');
select resolve_recovery((tests.recovery(6)).id, 'Ada');
select is(tests.told('recovered', 'acme'), 4::bigint, 'the last one''s end is told');

select * from finish();
rollback;
