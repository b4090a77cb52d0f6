begin;
select plan(23);

select tests.rule('twice', '{"action": [{"type": "webhook", "url": "https://example.com/", "payload": {}}, {"type": "anchor", "eventHash": "{{event}}"}]}');
create temp table first as select evaluate_events('[{"id": "e1", "data": {"n": 1}}]', jsonb_build_array(tests.match('twice', 'e1'))) as answer;
select is(
  (select jsonb_agg(jsonb_build_object('channel', o.channel, 'position', r.position, 'event', r.event, 'name', r.rule_name) order by o.id)
   from public.outbox o, jsonb_to_recordset(read_action_runs(array[(o.payload ->> 'run_id')::uuid])) r (position integer, event jsonb, rule_name text) where o.kind = 'action'),
  '[{"channel": "webhook", "position": 0, "event": {"n": 1, "eventId": "e1"}, "name": "Rule twice"}, {"channel": "anchor", "position": 1, "event": {"n": 1, "eventId": "e1"}, "name": "Rule twice"}]',
  'a rule that fires queues its actions in their order');
select is((select evaluated_at is not null from public.rule_events where id = 'e1'), true, 'an event that was evaluated on the way in is not evaluated again');
select is(evaluate_events('[{"id": "e1", "data": {"n": 2}}]', jsonb_build_array(tests.match('twice', 'e1'))), (select answer from first), 'a repetition returns what was done');
select is((select (count(*), min(data ->> 'n'))::text from public.rule_events), '(1,1)', 'and changes nothing');
select is((select count(*) from public.outbox where kind = 'action'), 2::bigint, 'nor queues anything');
select store from private.store_events((select jsonb_agg(jsonb_build_object('id', 'e' || i, 'data', '{}'::jsonb)) from generate_series(2, 9) i), now()) store;
create temp table given_twice as select evaluate_events('[]', jsonb_build_array(tests.match('twice', 'e2'), tests.match('twice', 'e2'))) as answer;
select is((select (answer -> 0 = answer -> 1, jsonb_array_length(answer #> '{0,runs}'))::text from given_twice), '(t,2)', 'a match that is given twice is one');

select tests.rule('calm', '{"cooldownSeconds": 60}');
select is(array[tests.fire('calm', 'e1'), tests.fire('calm', 'e2'), tests.fire('calm', 'e1')], '{fired,rule.cooldown,fired}', 'after a firing comes the cooldown');
update public.rule_matches set matched_at = matched_at - interval '61 seconds' where rule_id = 'calm' and outcome = 'fired';
select is(
  (select array_agg(coalesce(f ->> 'reason', f ->> 'outcome')) from jsonb_array_elements(evaluate_events('[]',
    jsonb_build_array(tests.match('calm', 'e3'), tests.match('calm', 'e4')))) f), '{fired,rule.cooldown}', 'then one fires again, of a batch only the first');

select tests.rule('limited', '{"maxFiresPerHour": 2}');
select is(array[tests.fire('limited', 'e1'), tests.fire('limited', 'e2'), tests.fire('limited', 'e3')], '{fired,fired,rule.limit}', 'an hour has so many firings');
update public.rule_matches set matched_at = matched_at - interval '1 hour' where rule_id = 'limited' and event_id = 'e1';
select is(
  (select array_agg(coalesce(f ->> 'reason', f ->> 'outcome')) from jsonb_array_elements(evaluate_events('[]',
    jsonb_build_array(tests.match('limited', 'e4'), tests.match('limited', 'e3'), tests.match('limited', 'e5')))) f), '{fired,rule.limit,rule.limit}',
  'one that is an hour ago makes room; what was suppressed stays so');

select tests.rule('held');
select set_rule_status('held', 'paused', 'ada');
select is(tests.fire('held', 'e1'), 'rule.paused', 'a rule that was paused meanwhile does not fire');
select save_rule(read_rules('held') || '{"status": "active", "action": {"type": "anchor", "eventHash": "x"}}', 'ada', 2);
select tests.fire('held', 'e2', 1), tests.fire('held', 'e3', 3);
select is((select array_agg(event_id || ' ' || type order by event_id) from public.action_runs where rule_id = 'held'), '{e2 webhook,e3 anchor}',
  'the actions are those of the version that matched');
select throws_ok($$select tests.fire('unheard-of', 'e1')$$, 'PT404', 'There is no rule "unheard-of" of version 1, so nothing fired. Save the rule first.', 'a rule that is not saved cannot fire');

update public.notification_channels set enabled = false where name = 'anchor';
select tests.fire('twice', 'e9');
select is((select array_agg(state order by position) from public.action_runs where event_id = 'e9' and rule_id = 'twice'), '{queued,failed}', 'an action whose channel is disabled fails, the others are done');
delete from public.notification_channels where name = 'ledger_allocate';
select tests.rule('lost', '{"action": {"type": "ledger_allocate"}}');
select tests.fire('lost', 'e9');
select is((select array_agg(state || left(error, 15)) from public.action_runs where rule_id = 'lost'), '{failedaction.disabled}', 'so does one whose channel is not there');
select matches((select error from public.action_runs where event_id = 'e9' and type = 'anchor'), '^action\.disabled: ', 'and says why');
select is((select payload - 'run_id' from public.audit_log where action = 'action.failed' and resource = 'rule:twice'), jsonb_build_object(
  'event_id', 'e9', 'type', 'anchor', 'position', 1, 'rule_version', 1, 'error', (select error from public.action_runs where event_id = 'e9' and type = 'anchor')), 'in the audit log, too');

select is((select count(*) from public.outbox o where not exists (select from public.action_runs a where o.dedup_key = 'action:' || a.id and a.state = 'queued' and a.type = o.channel)),
  0::bigint, 'what is in the outbox is queued');

insert into public.audit_log (subsystem, actor, action, resource, result, payload) values ('acme', 'system', 'door.opened', 'door:1', 'open', '{"lock": 2}');
select tests.rule('on-the-log');
select evaluate_events('[]', jsonb_build_array(tests.match('on-the-log', 'audit_log:' || max(immutable_seq)), tests.match('on-the-log', 'audit_log:' || max(immutable_seq) + 1)))
from public.audit_log where subsystem = 'acme';
select is((select array_agg(r #>> '{event,lock}' order by r #>> '{event,lock}') from jsonb_array_elements(
  read_action_runs(array(select id from public.action_runs where rule_id = 'on-the-log'))) r), '{2,null}', 'an entry of the audit log is read for the run, one that is gone is null');

create temp table before as select (select count(*) from public.rule_matches) as matches, (select count(*) from public.rule_events) as events;
select throws_ok(format('select evaluate_events(''[{"id": "e10", "data": {}}]'', %L)', jsonb_build_array(tests.match('held', 'e10', 3), tests.match('held', e.id, 3))), 'PT404', null,
  format('a match of %s is refused', e.what))
from (values (null, 'no event'), ('unheard-of', 'an event that is not stored'), ('audit_log:', 'what is no entry of the log')) e (id, what);
select is((select (count(*), (select count(*) from public.rule_events))::text from public.rule_matches), (select (matches, events)::text from before), 'and nothing of the call is kept');

select * from finish();
rollback;
