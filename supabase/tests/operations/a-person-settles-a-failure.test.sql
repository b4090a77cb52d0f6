begin;
select plan(6);
insert into public.integrations_master (service_name) values ('acme');
select tests.fail(1, 'acme', 'data', '{"plan": {"step": "tell", "action_taken": "Tell people"}}');

select resolve_recovery((tests.recovery(1)).id, 'Ada');
select is((tests.recovery(1)).status, 'resolved', 'it is resolved');
select is((tests.recovery(1)).action_taken, 'Resolved by Ada', 'it says by whom');
select is((select actor from public.audit_log where action = 'failure.resolved'), 'Ada', 'so does the audit log');
select is(tests.told('recovered', 'acme'), 1::bigint, 'people who were told of it are told');
select throws_ok(format('select resolve_recovery(%L, %L)', (tests.recovery(1)).id, 'Ada'), 'PT404', null, 'it cannot be resolved twice');
select throws_ok(format('select resolve_recovery(%L, %L)', tests.id(9), 'Ada'), 'PT404', null, 'nor can what does not exist');

select * from finish();
rollback;
