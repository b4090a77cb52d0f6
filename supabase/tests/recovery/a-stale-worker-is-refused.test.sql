begin;
select plan(10);
insert into public.integrations_master (service_name) values ('acme');
create temp table work as select tests.fail(1, 'acme', 'unknown') -> 'work' as first, null::jsonb as second;

update public.system_integrity_events set leased_until = now() - interval '1 second';
update work set second = claim_recoveries(10) -> 0;
select is((select second -> 'epoch' from work), '2', 'a second worker takes over');
select is((select array[first -> 'taken_over', second -> 'taken_over'] from work), array['false', 'true']::jsonb[], 'and knows that it does');
create temp table refused as select tests.finish(first, 'resolved') as answer from work;
select is((select answer -> 'accepted' from refused), 'false', 'the first one''s result is refused');
select is((select answer ->> 'status' from refused), 'pending', 'and it hears how things stand');
select is((tests.recovery(1)).attempts, 1, 'its try counts, nothing else of it is written');
select is((select count(*) from public.audit_log where action = 'recovery.attempted'), 0::bigint, 'nothing is on record');
select is(tests.told('recovered', 'acme'), 0::bigint, 'nobody is told');

select is((select tests.finish(second, 'resolved') -> 'accepted' from work), 'true', 'the second one''s result is taken');
select is((select tests.finish(second, 'failed') -> 'accepted' from work), 'false', 'once');

select tests.fail(2, 'acme', 'unknown');
create temp table held as select private.work_items(array[(tests.recovery(2)).id]) -> 0 as work;
select resolve_recovery((tests.recovery(2)).id, 'Ada');
select is((select tests.finish(work, 'failed', '{"delay_seconds": 60}') -> 'accepted' from held), 'false', 'what a person resolved stays resolved');

select * from finish();
rollback;
