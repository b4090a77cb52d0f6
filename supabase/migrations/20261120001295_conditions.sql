-- What is wrong with a rule's condition, so that a table can refuse it: the twin of core/rules/validate-condition.ts.

create function private.json_kind(p_value jsonb) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case jsonb_typeof(p_value)
    when 'null' then 'null' when 'array' then 'a list' when 'object' then 'an object' else 'a ' || jsonb_typeof(p_value)
  end;
end $$;
comment on function private.json_kind(jsonb) is 'What kind of value it is, with its article.';

create function private.json_shown(p_value jsonb) returns text
language plpgsql immutable set search_path = '' as $$
begin
  if jsonb_typeof(p_value) = 'string' then
    return to_json(left(p_value #>> '{}', 50))::text;
  end if;
  return private.json_kind(p_value);
end $$;
comment on function private.json_shown(jsonb) is 'A text''s first 50 characters, in quotes, or the kind of another value: for a message.';

create function private.operator_problem(p_operator text, p_value jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_type text := jsonb_typeof(p_value);
  v_what text;
begin
  if p_operator in ('exists', 'not_exists') then
    return case when p_value not in ('true', 'null')
      then 'takes no value: remove it, and use the opposite operator for the opposite' end;
  elsif p_value is null then
    return 'requires a value';
  end if;
  v_what := case
    when p_operator in ('gt', 'lt', 'gte', 'lte') and v_type not in ('number', 'string') then 'a number or a string'
    when p_operator in ('in', 'nin') and v_type <> 'array' then 'a list'
    when p_operator in ('matches', 'not_matches') and v_type <> 'string' then 'a pattern, which is a string'
  end;
  if v_what is not null then
    return format('requires %s, not %s', v_what, private.json_kind(p_value));
  end if;
  return case
    when p_operator in ('in', 'nin') and jsonb_array_length(p_value) = 0 then 'requires a list that is not empty'
    when p_operator in ('in', 'nin') and jsonb_array_length(p_value) > 1000
      then 'requires a list of at most 1000 values: use several conditions with logic or'
    when p_operator in ('matches', 'not_matches') and char_length(p_value #>> '{}') > 512
      then 'requires a pattern of at most 512 characters'
    when jsonb_path_exists(p_value, 'strict $.**{20} ? (@.type() == "array" || @.type() == "object")')
      then 'requires a value of at most 20 levels of lists and objects'
  end;
end $$;
comment on function private.operator_problem(text, jsonb) is
  'What is wrong with the value of an operator, to be read after its name; null when nothing is. Whether RE2 accepts a pattern is known only to the engine.';

create function private.leaf_errors(p_leaf jsonb) returns text[]
language plpgsql immutable set search_path = '' as $$
declare
  v_field jsonb := p_leaf -> 'field';
  v_operator jsonb := p_leaf -> 'operator';
  v_known constant text[] := '{eq,ne,gt,lt,gte,lte,in,nin,contains,not_contains,matches,not_matches,exists,not_exists}'::text[];
  v_is_known boolean := jsonb_typeof(v_operator) = 'string' and v_operator #>> '{}' = any (v_known);
begin
  return array_remove(array[
    case
      when v_field is null or v_field = '""' then 'field required'
      when jsonb_typeof(v_field) <> 'string' then 'field must be a string, not ' || private.json_kind(v_field)
    end,
    case
      when v_operator is null then 'operator required'
      when jsonb_typeof(v_operator) <> 'string' then 'operator must be a string, not ' || private.json_kind(v_operator)
      when not v_is_known then format('Unknown operator %s: use %s or not_exists',
        private.json_shown(v_operator), array_to_string(trim_array(v_known, 1), ', '))
      else 'Operator ' || (v_operator #>> '{}') || ' ' || private.operator_problem(v_operator #>> '{}', p_leaf -> 'value')
    end], null);
end $$;
comment on function private.leaf_errors(jsonb) is 'What is wrong with the field, operator and value of a condition.';

create function private.own_condition_errors(p_condition jsonb) returns text[]
language plpgsql immutable set search_path = '' as $$
declare
  v_is_leaf boolean := p_condition ?| '{field,operator,value}';
  v_is_group boolean := p_condition ? 'conditions' or (p_condition ? 'logic' and not v_is_leaf);
  v_conditions jsonb := p_condition -> 'conditions';
  v_errors text[] := '{}'::text[];
begin
  if jsonb_typeof(p_condition) <> 'object' then
    return array['condition must be an object, not ' || private.json_kind(p_condition)];
  end if;
  if v_is_leaf and v_is_group then
    v_errors := v_errors || 'condition is a leaf and a group at once: move field, operator and value into conditions'::text;
  end if;
  if v_is_leaf or not v_is_group then
    v_errors := v_errors || private.leaf_errors(p_condition);
  end if;
  return v_errors || array_remove(array[
    case when v_is_group and p_condition ? 'logic' and p_condition -> 'logic' not in ('"and"', '"or"')
      then 'logic must be "and" or "or", not ' || private.json_shown(p_condition -> 'logic') end,
    case
      when v_conditions is null and p_condition ? 'logic' then 'logic requires conditions'
      when jsonb_typeof(v_conditions) <> 'array' then 'conditions must be a list, not ' || private.json_kind(v_conditions)
      when v_conditions = '[]' then 'conditions required: an empty list decides nothing'
    end], null) || array(
    select format('Unknown key %s: a condition has field, operator and value, or logic and conditions', private.json_shown(to_jsonb(k.key)))
    from jsonb_object_keys(p_condition - '{field,operator,value,logic,conditions}'::text[]) as k (key)
    order by k.key collate "C");
end $$;
comment on function private.own_condition_errors(jsonb) is 'What is wrong with a leaf or group; what it holds is not looked at.';

create function private.condition_errors(p_condition jsonb) returns text[]
language plpgsql immutable set search_path = '' as $$
declare
  v_errors text[] := '{}'::text[];
  v_more integer;
  v_nodes integer := 0;
  v_node record;
begin
  -- A condition, then those it holds with all they hold; down to one level more than allowed.
  for v_node in
    with recursive nodes (condition, depth, place) as (
      select p_condition, 1, '{}'::integer[]
      union all
      select c.value, n.depth + 1, n.place || (c.ordinality - 1)::integer
      from nodes n, jsonb_array_elements(case when jsonb_typeof(n.condition -> 'conditions') = 'array' then n.condition -> 'conditions' end)
        with ordinality c
      where n.depth <= 20)
    select n.condition, n.depth, (select coalesce(string_agg(format('Sub-condition %s: ', i), '' order by o), '') from unnest(n.place) with ordinality p (i, o)) as at
    from nodes n order by n.place
  loop
    v_nodes := v_nodes + 1;
    if v_nodes > 500 then
      return array['condition has more than 500 leaves and groups: make several rules of it'];
    end if;
    v_errors := v_errors || array(select v_node.at || e.error from unnest(case when v_node.depth > 20
      then array['condition is nested deeper than 20 levels: join groups of the same logic']
      else private.own_condition_errors(v_node.condition) end) with ordinality e (error, i) order by e.i);
  end loop;
  v_more := cardinality(v_errors) - 50;
  if v_more > 0 then
    return v_errors[:50] || format('%s more error%s', v_more, case when v_more > 1 then 's' end);
  end if;
  return v_errors;
end $$;
comment on function private.condition_errors(jsonb) is
  'What is wrong with a condition, in the words and the order of validateCondition(); empty when nothing is, except that RE2 may refuse a pattern.';

revoke execute on function private.json_kind(jsonb), private.json_shown(jsonb), private.operator_problem(text, jsonb), private.leaf_errors(jsonb),
  private.own_condition_errors(jsonb), private.condition_errors(jsonb) from public, anon, authenticated, service_role;
