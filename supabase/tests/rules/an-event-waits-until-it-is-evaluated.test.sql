begin;
select plan(22);

create function pg_temp.claimed(p_limit integer default 500) returns text[] language sql as $$
  select array(select e ->> 'id' from jsonb_array_elements(claim_events(p_limit, 30) -> 'events') e)
$$;

select is(record_events('[{"id": "a", "data": {"n": 1}}, {"id": "a", "data": {"n": 2}}]'), '[{"id": "a", "recorded": true}, {"id": "a", "recorded": false}]', 'an event is stored once');
select is(record_events('[{"id": "a", "data": {}}, {"data": {}}]') #> '{1,recorded}', 'true', 'one without an id gets one');
select throws_ok($$select record_events('[{"id": "audit_log:1", "data": {}}]')$$, 'PT422', 'Nothing was stored: rule events id is not that of an audit entry.', 'no event passes for an entry of the audit log');
select throws_ok($$select record_events('[{"data": {}}, {"data": 5}]')$$, 'PT422', 'Nothing was stored: rule events data is an object of at most 64 kb.', 'an event is an object');
select throws_ok($$select record_events(jsonb_build_array(jsonb_build_object('data', jsonb_build_object('text', repeat('x', 65536)))))$$, 'PT422', null, 'of bounded size');
select throws_ok(format($$select record_events('[{"data": {"a": %s%s}}]')$$, repeat('[', 64), repeat(']', 64)), 'PT422',
  'Nothing was stored: rule events data has at most 64 levels.', 'and depth');
select lives_ok(format($$insert into public.rule_events (data) values ('{"a": %s%s}')$$, repeat('[', 63), repeat(']', 63)), 'but 64 levels are fine');
select throws_ok('select claim_events(null, 30)', 'PT422', null, 'a claim says how many');
select throws_ok($$select record_events((select jsonb_agg('{"data": {}}'::jsonb) from generate_series(1, 1001)))$$, 'PT422', null, 'a list is bounded, too');

select private.audit('acme', 'system', 'door.opened', 'door:1', 'open');
select is(claim_events(500, 30), null, 'where no rule is active, nothing is claimed');
select is(((select count(*) from public.rule_events where evaluated_at is null), (select audit_seq from private.event_cursor))::text,
  format('(0,%s)', (select max(immutable_seq) from public.audit_log)), 'and what waits is passed over');

select tests.rule('any');
select record_events('[{"id": "b", "data": {"n": 3}}]');
insert into public.audit_log (subsystem, kind, actor, action, resource, result, payload, created_at)
values ('acme', 'error', 'ada', 'door.locked', 'door:1', 'shut', '{"lock": 2, "actor": "forged"}', '2026-11-20 19:30:00.1239Z');
select private.audit('rules', 'system', 'action.failed', 'rule:any', 'failed');
select seal_audit('audit_log');
create temp table claim as select claim_events(500, 30) as batch;
select is((select batch #> '{events,0,event}' from claim), jsonb_build_object(
  'lock', 2, 'eventId', 'audit_log:' || (select max(immutable_seq) from public.audit_log where subsystem = 'acme'), 'eventType', 'door.locked', 'source', 'acme', 'kind', 'error',
  'actor', 'ada', 'resource', 'door:1', 'result', 'shut', 'createdAt', '2026-11-20T19:30:00.123Z'), 'an entry of the audit log is an event');
select is((select (batch #> '{events,1}')::text || jsonb_array_length(batch -> 'events') from claim), '{"id": "b", "event": {"n": 3, "eventId": "b"}}2',
  'so is what was posted; what rules did themselves is none, so that they do not run in circles');
select is(claim_events(500, 30), null, 'one worker at a time');

update private.event_cursor set leased_until = now();
select is(pg_temp.claimed(), (select array(select e ->> 'id' from jsonb_array_elements(batch -> 'events') e) from claim), 'what a worker left when it died is claimed again');
select is(finish_events((select (batch ->> 'epoch')::integer from claim), array['b'], jsonb_build_array(tests.match('any', 'b'))), false, 'if it was not dead, it is refused');
select is((select count(*) from public.rule_matches), 0::bigint, 'and nothing was written');
select is(finish_events((select epoch from private.event_cursor), array['b'], jsonb_build_array(tests.match('any', 'b'))), true, 'the other one is accepted');
select is(((select evaluated_at is not null from public.rule_events where id = 'b'), (select outcome from public.rule_matches), pg_temp.claimed())::text, '(t,fired,{})', 'its events are evaluated, and fire');

select record_events((select jsonb_agg(jsonb_build_object('id', 'many-' || i, 'data', '{}'::jsonb)) from generate_series(1, 9) i));
select private.audit('acme', 'system', 'door.opened', 'door:1', 'open') from generate_series(1, 9);
select seal_audit('audit_log');
select is((select (count(*), count(*) filter (where id like 'audit_log:%'))::text from unnest(pg_temp.claimed(6)) id), '(6,3)', 'a batch has its size, and neither kind of event waits for the other');
select finish_events((select epoch from private.event_cursor), array(select id from public.rule_events), '[]');
update public.rule_events set evaluated_at = null, data = jsonb_build_object('text', repeat('x', 60000));
select record_events((select jsonb_agg(jsonb_build_object('data', jsonb_build_object('text', repeat('x', 60000)))) from generate_series(1, 100)));
select ok((select cardinality(c) between 60 and 80 from pg_temp.claimed(500) c), 'a batch of large events is shorter, so that a worker has the memory for it');

insert into public.audit_log (subsystem, kind, actor, action, resource, result, payload)
values ('acme', 'action', 'ada', 'door.opened', 'door:1', 'open', format('{"a": %s%s}', repeat('[', 5000), repeat(']', 5000))::jsonb);
select is((select private.entry_event(a) - '{eventId, createdAt}'::text[] from public.audit_log a order by a.immutable_seq desc limit 1),
  '{"kind": "action", "actor": "ada", "result": "open", "source": "acme", "resource": "door:1", "eventType": "door.opened"}', 'a payload too deep for an event is left out of it');

select * from finish();
rollback;
