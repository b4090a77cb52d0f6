begin;
select plan(8);
insert into public.integrations_master (service_name) values ('acme');

select throws_ok(format($$select tests.fail(1, 'acme', 'network', %L)$$, more), code, null, sentence) from (values
  ('{"plan": {"step": "guess", "action_taken": "x"}}', '23514', 'an unknown plan is refused'),
  ('{"plan": null}', '23502', 'a missing plan too'),
  ('{"event_id": null}', '23502', 'a report without event'),
  ('{"service_name": null}', '23502', 'or without service'),
  ('{"category": "weather"}', '23503', 'or of an unknown category')) bad (more, code, sentence);
select is((select count(*) from public.integration_events), 0::bigint, 'and nothing of it is stored');
select throws_ok($$select report_failures('{"event_id": 1}')$$, '22023', null, 'what is no list is refused');
select throws_ok($$select tests.finish(tests.fail(1, 'acme', 'network') -> 'work', 'succeeded')$$, '23514', null, 'an unknown outcome is no success and no failure');

select * from finish();
rollback;
