begin;
select plan(17);

create function pg_temp.refuses(p_condition jsonb, p_errors text[], p_description text) returns text language sql as $$
  select is(private.condition_errors(p_condition), p_errors, p_description) $$;

select pg_temp.refuses('{"field": "latencyMs", "operator": "gt", "value": 100}', '{}', 'a sound leaf has no errors');
select pg_temp.refuses('{"logic": "or", "conditions": [{"field": "a", "operator": "exists"}, {"conditions": [{"field": "b", "operator": "eq", "value": null}]}]}',
  '{}', 'nor has a sound group; null is a value');
select pg_temp.refuses('{"field": "a", "operator": "gt"}', '{"Operator gt requires a value"}', 'a value is missing');
select pg_temp.refuses('{"conditions": [{"operator": "eq", "value": 1}]}', '{"Sub-condition 0: field required"}', 'a field is missing');
select pg_temp.refuses('{"conditions": [{"field": "a", "operator": "exists"}, {"conditions": [{"field": "", "operator": "exists"}]}]}',
  '{"Sub-condition 1: Sub-condition 0: field required"}', 'errors say where they are');
select pg_temp.refuses('{"field": "a", "operator": "equals", "value": 1}',
  '{"Unknown operator \"equals\": use eq, ne, gt, lt, gte, lte, in, nin, contains, not_contains, matches, not_matches, exists or not_exists"}',
  'an unknown operator is answered with the known ones');
select pg_temp.refuses('{"field": "a", "operator": "gt", "value": null}', '{"Operator gt requires a number or a string, not null"}', 'a value has the wrong type');
select pg_temp.refuses('{"field": "a", "operator": "in", "value": []}', '{"Operator in requires a list that is not empty"}', 'an empty list');
select pg_temp.refuses(jsonb_build_object('field', 'a', 'operator', 'matches', 'value', repeat('é', 513)),
  '{"Operator matches requires a pattern of at most 512 characters"}', 'a pattern is too long');
select pg_temp.refuses('{"field": "a", "operator": "exists", "value": false}',
  '{"Operator exists takes no value: remove it, and use the opposite operator for the opposite"}', 'exists takes no value');
select pg_temp.refuses('{"field": "a", "operator": "eq", "value": 1, "valeu": 2}',
  '{"Unknown key \"valeu\": a condition has field, operator and value, or logic and conditions"}', 'a key is misspelt');
select pg_temp.refuses('{"field": "a", "operator": "eq", "value": 1, "conditions": [{"field": "a", "operator": "exists"}]}',
  '{"condition is a leaf and a group at once: move field, operator and value into conditions"}', 'a leaf or a group, not both');
select pg_temp.refuses('{"logic": "and", "conditions": []}', '{"conditions required: an empty list decides nothing"}', 'a group of nothing');
select pg_temp.refuses('{"logic": "and"}', '{"logic requires conditions"}', 'logic without conditions');
select pg_temp.refuses('null', '{"condition must be an object, not null"}', 'nothing at all');
select is(cardinality(private.condition_errors(jsonb_build_object('conditions', (select jsonb_agg(i) from generate_series(1, 60) i)))), 51,
  'the 51st error says how many more there are');
select pg_temp.refuses(jsonb_build_object('conditions', (select jsonb_agg(i) from generate_series(1, 500) i)),
  '{"condition has more than 500 leaves and groups: make several rules of it"}', 'the size is bounded');

select * from finish();
rollback;
