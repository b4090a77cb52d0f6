begin;
select plan(30);

create function pg_temp.event(p_more jsonb default '{}') returns jsonb language sql as $$
  select '{"subsystem": "billing", "kind": "action", "actor": "worker_3", "action": "invoice.sent", "resource": "invoice:1", "result": "success"}'::jsonb || p_more
$$;

select is(log_subsystem_events('[]'), 0, 'no events are no entries');
select is(log_subsystem_events(jsonb_build_array(
  pg_temp.event(), pg_temp.event('{"kind": "error", "payload": {"n": 2}}'), pg_temp.event('{"kind": "decision"}'), pg_temp.event('{"kind": "prediction"}'))), 4,
  'events are appended together and counted');
select results_eq(
  $$select kind, actor, action, resource, result, payload from public.audit_log where subsystem = 'billing' order by immutable_seq$$,
  $$values ('action', 'worker_3', 'invoice.sent', 'invoice:1', 'success', '{}'::jsonb), ('error', 'worker_3', 'invoice.sent', 'invoice:1', 'success', '{"n": 2}'),
    ('decision', 'worker_3', 'invoice.sent', 'invoice:1', 'success', '{}'), ('prediction', 'worker_3', 'invoice.sent', 'invoice:1', 'success', '{}')$$,
  'each as it was given, in their order');

select throws_ok(
  format($$select log_subsystem_events(jsonb_build_array(pg_temp.event(), pg_temp.event(), %L::jsonb))$$, case when jsonb_typeof(more) = 'object' then pg_temp.event(more) else more end),
  'PT422', format('p_events[2]%s. Nothing was logged.', problem), sentence)
from (values
  ('1'::jsonb, ' must be an object', 'a number is no event'),
  ('null', ' must be an object', 'nothing is no event'),
  ('[]', ' must be an object', 'a list is no event'),
  ('{"subsystem": null}', '.subsystem must be a text of 1 to 500 characters', 'every event has a subsystem'),
  ('{"kind": 1}', '.kind must be a text of 1 to 500 characters', 'a kind'),
  ('{"actor": ""}', '.actor must be a text of 1 to 500 characters', 'an actor'),
  ('{"action": {}}', '.action must be a text of 1 to 500 characters', 'an action'),
  (jsonb_build_object('resource', repeat('x', 501)), '.resource must be a text of 1 to 500 characters', 'a resource of a bounded length'),
  ('{"result": []}', '.result must be a text of 1 to 500 characters', 'and a result'),
  ('{"subsystem": "Billing"}', '.subsystem must be a name of lower-case letters, digits, hyphens and underscores that begins with a letter', 'names are lower case'),
  ('{"subsystem": "audit "}', '.subsystem must be a name of lower-case letters, digits, hyphens and underscores that begins with a letter', 'without spaces'),
  (jsonb_build_object('subsystem', E'audit\n'), '.subsystem must be a name of lower-case letters, digits, hyphens and underscores that begins with a letter', 'or line feeds'),
  ('{"subsystem": "audit"}', '.subsystem must not be audit: what the audit log says about itself decides what verification expects', 'nobody speaks for the audit log'),
  ('{"kind": "warning"}', '.kind must be action, error, decision or prediction', 'kinds are known'),
  ('{"payload": null}', '.payload must be an object of at most 64 kB', 'a payload is an object'),
  ('{"payload": "text"}', '.payload must be an object of at most 64 kB', 'not a text'),
  (jsonb_build_object('payload', jsonb_build_object('text', repeat('x', 65536))), '.payload must be an object of at most 64 kB', 'nor without end'),
  ('{"paylaod": {}}', '.paylaod is unknown: the fields are subsystem, kind, actor, action, resource, result, payload', 'a misspelt field is not lost in silence')
) bad (more, problem, sentence);

select throws_ok(format('select log_subsystem_events(%L)', value), 'PT422', 'p_events must be an array of at most 1,000 events. Nothing was logged.', sentence)
from (values
  (null, 'no list is refused'), ('{}', 'an object too'), ('"x"', 'and a text'),
  ((select jsonb_agg(pg_temp.event()) from generate_series(1, 1001))::text, 'and too many events')) bad (value, sentence);
select lives_ok($$select log_subsystem_events((select jsonb_agg(pg_temp.event()) from generate_series(1, 1000)))$$, 'a thousand are taken');
select lives_ok(format('select log_subsystem_events(%L)', jsonb_build_array(pg_temp.event(jsonb_build_object('payload', jsonb_build_object('t', repeat('x', 65500)))))), 'and almost 64 kB');

create function pg_temp.code(p_statement text) returns text language plpgsql as $$
declare v_hint text;
begin
  execute p_statement;
  return 'none';
exception when others then
  get stacked diagnostics v_hint = pg_exception_hint;
  return v_hint;
end $$;
select is(pg_temp.code($$select log_subsystem_events('{}')$$), 'audit.event_invalid', 'the code is stable');
select is(pg_temp.code($$select log_subsystem_events('[{}]')$$), 'audit.event_invalid', 'for items as well');
select is((select count(*) from public.audit_log where subsystem = 'billing'), 1005::bigint, 'what was refused left nothing, nor did what came with it');

select * from finish();
rollback;
