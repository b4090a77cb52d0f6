begin;
select plan(11);

select tests.rule('a', '{"name": "Lock out"}');
select tests.fire('a', 'e1'), tests.fire('a', 'e2'), tests.fire('a', 'e3');
create function pg_temp.run(p_event text) returns uuid language sql as $$select id from public.action_runs where event_id = p_event$$;
create function pg_temp.finish(p_event text, p_more jsonb) returns integer language sql as $$
  select finish_action_runs(jsonb_build_array(jsonb_build_object('id', pg_temp.run(p_event)) || p_more))
$$;

select is(save_action_progress(pg_temp.run('e1'), '{"step": 1}'), '{"step": 1}', 'a run keeps how far it is');
select is(save_action_progress(pg_temp.run('e1'), '{"step": "other"}'), '{"step": 1}', 'of workers that save at once the first one wins');
select is(save_action_progress(pg_temp.run('e1'), '{"step": 2}', '{"step": 1}'), '{"step": 2}', 'who knows what is stored replaces it');
select is(save_action_progress(pg_temp.run('e1'), '{"step": 3}', '{"step": 1}'), '{"step": 2}', 'who does not, does not');
select throws_ok($$select save_action_progress(tests.id(1), '{}')$$, 'PT404', null, 'a run that is not there keeps nothing');

select is(pg_temp.finish('e1', '{"state": "succeeded", "result": {"status": 200}}'), 1, 'a run ends');
select is(pg_temp.finish('e1', '{"state": "failed", "error": "late.worker: It came late."}'), 0, 'once');
select is(
  (select (b - '{id,event}'::text[]) from jsonb_array_elements(read_action_runs(array[pg_temp.run('e1'), tests.id(9)])) b),
  '{"rule_id": "a", "rule_name": "Lock out", "rule_version": 1, "event_id": "e1", "position": 0, "type": "webhook", "state": "succeeded", "error": null,
    "result": {"status": 200}, "progress": {"step": 2}, "action": {"type": "webhook", "url": "https://example.com/", "payload": {}}}',
  'who begins it again sees that it ended');

select pg_temp.finish('e2', '{"state": "failed", "error": "webhook.refused: No."}'), pg_temp.finish('e3', '{"state": "failed", "error": "webhook.refused: No."}');
select is((select array_agg(payload) from public.outbox where kind = 'action_failed' and channel = 'slack'), array[
  '{"rule_id": "a", "rule_name": "Lock out", "action": "webhook", "error": "webhook.refused: No.", "event_id": "e2"}'::jsonb], 'people hear that an action fails, once an hour');
select is((select array_agg(format('%s %s %s', action, kind, payload ->> 'event_id') order by immutable_seq) from public.audit_log where action like 'action.%'),
  '{"action.succeeded action e1","action.failed error e2","action.failed error e3"}', 'the audit log hears of each');
select is((select payload -> 'result' from public.audit_log where action = 'action.succeeded'), '{"status": 200}', 'and what it did');

select * from finish();
rollback;
