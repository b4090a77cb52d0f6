begin;
select plan(15);

create function pg_temp.versions_of(p_id text) returns text language sql as $$
  select string_agg(format('%s %s by %s: %s', version, change, changed_by, name), ', ' order by version) from public.rule_versions where rule_id = p_id
$$;

select is(tests.rule('a', '{"priority": 7}') - '{createdAt,updatedAt}'::text[], '{
  "id": "a", "name": "Rule a", "status": "active", "priority": 7, "mode": "all", "cooldownSeconds": 0, "maxFiresPerHour": 1000,
  "condition": {"field": "eventId", "operator": "exists"}, "action": {"type": "webhook", "url": "https://example.com/", "payload": {}},
  "version": 1, "updatedBy": "ada"}', 'a rule is stored with the defaults of what is left out');
select throws_ok($$select tests.rule('a')$$, 'PT409', null, 'two rules do not have one id');

select save_rule(read_rules('a') || '{"name": "Renamed", "maxFiresPerHour": null}', 'grace', 1);
select is(read_rules('a') -> 'maxFiresPerHour', 'null', 'a limit of null is no limit');
select throws_ok($$select save_rule(read_rules('a'), 'alan', 1)$$, 'PT409',
  'Rule "a" has version 2 by now, not 1: grace changed it. Look at that version, and save yours over it.', 'who saves over a version he has not seen hears of it');
select throws_ok($$select save_rule(read_rules('a') || '{"id": "b"}', 'alan', 1)$$, 'PT404', null, 'what is not there is not replaced');

select save_rule(read_rules('a'), 'alan', 2);
select set_rule_status('a', 'active', 'alan');
update public.rules set version = 99, updated_by = 'nobody' where id = 'a';
select is((read_rules('a') -> 'version', read_rules('a') ->> 'updatedBy')::text, '(2,grace)', 'what changes nothing makes no version');

select set_rule_status('a', 'paused', 'alan');
select rollback_rule('a', 1, 'grace');
select set_rule_status('a', 'archived', 'alan');
update public.rules set status = 'active' where id = 'a';
select is(pg_temp.versions_of('a'), format(
  '1 created by ada: Rule a, 2 changed by grace: Renamed, 3 paused by alan: Renamed, 4 rolled_back by grace: Rule a, 5 archived by alan: Rule a, 6 activated by %s: Rule a',
  session_user), 'each version says who did what, in the SQL editor, too');
select is(read_rule_versions('a') #> '{2,status}', '"paused"', 'to roll back does not activate a rule that was paused');
select is((select (v - '{change,changedBy,changedAt}'::text[]) || '{"status": "active"}' from jsonb_array_elements(read_rule_versions('a')) v where v ->> 'change' = 'rolled_back'),
  (read_rules('a') - '{createdAt,updatedAt,updatedBy}'::text[]) || '{"version": 4}', 'a version shows the rule as it was');
select throws_ok($$select rollback_rule('a', 9, 'grace')$$, 'PT404', 'Rule "a" has no version 9; it has versions 1 to 6.', 'a version that never was is no aim');
select is((select array_agg(format('%s %s %s', action, actor, payload ->> 'version') order by immutable_seq) from public.audit_log where resource = 'rule:a'),
  array['rule.created ada 1', 'rule.changed grace 2', 'rule.paused alan 3', 'rule.rolled_back grace 4', 'rule.archived alan 5', format('rule.activated %s 6', session_user)],
  'the audit log has all of it');

select throws_ok('update public.rule_versions set name = ''x''', 'PT403', null, 'a version is never changed');
select throws_ok('insert into public.rule_versions select * from public.rule_versions limit 0', 'PT403', null, 'nor written by hand');
select throws_ok('delete from public.rules', 'PT409',
  'Rules are not deleted, as what they did stays on record. Archive them instead: set status to archived.', 'a rule is archived, not deleted');

create temp table before as select (load_rules() ->> 'version')::bigint as version;
select tests.rule('b', '{"priority": 8}');
select tests.rule('c', '{"status": "paused"}');
select is(
  (select (load_rules(b.version) #> '{rules}' @> '[{"id": "b"}, {"id": "a"}]', jsonb_array_length(load_rules(b.version) -> 'rules'),
     load_rules((load_rules() ->> 'version')::bigint) -> 'rules', load_rules() #>> '{rules,0,id}')::text from before b),
  '(t,2,null,b)', 'a changed set is loaded again: the active rules, in order; an unchanged one is not');

select * from finish();
rollback;
