begin;
select plan(21);

create table public.shelves (id bigint primary key, stocked_at timestamptz);
create view public.full_shelves as select * from public.shelves;
create function public.check_shelves(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$ select '', '', '', null::jsonb where false $$;
create function public.check_of_another_shape(p_entities text[] default null)
returns table (entity text, wrong boolean) language sql stable set search_path = '' as $$ select '', true where false $$;
create function public.check_that_does_not_run(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language plpgsql stable as $$
begin
  return query select s.id::text, '', '', null::jsonb from shelves s;
end $$;
create function public.check_of_one(p_entity text)
returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$ select '', '', '', null::jsonb where false $$;
create function public.correct_nothing(p_entities text[]) returns setof jsonb language sql set search_path = '' as $$ select '{}'::jsonb where false $$;

create function pg_temp.refusal(p_statement text) returns text language plpgsql as $$
declare
  v_hint text;
begin
  execute p_statement;
  return 'none';
exception when others then
  get stacked diagnostics v_hint = pg_exception_hint;
  return sqlstate || ' ' || v_hint || ': ' || sqlerrm;
end $$;
create function pg_temp.register(p_arguments text) returns text language sql as $$ select pg_temp.refusal(format('select register_invariant(%s)', p_arguments)) $$;

select matches(pg_temp.register($$'A', 'unknown', 'P1'$$), '^PT422 invariant.check_invalid: There is no function unknown\(text\[\]\)', 'a check that is not there');
select matches(pg_temp.register($$'A', 'not a name', 'P1'$$), '^PT422 invariant.check_invalid: There is no function', 'a check that no function could be');
select matches(pg_temp.register($$'A', null, 'P1'$$), '^PT422 invariant.check_invalid', 'no check');
select matches(pg_temp.register($$'A', 'check_of_one', 'P1'$$), '^PT422 invariant.check_invalid: There is no function', 'a check with other arguments');
select matches(pg_temp.register($$'A', 'check_of_another_shape', 'P1'$$), '^PT422 invariant.check_invalid: .*must return TABLE\(entity text', 'a check that returns something else');
select matches(pg_temp.register($$'A', 'check_that_does_not_run', 'P1'$$), '^PT422 invariant.check_invalid: .*relation "shelves" does not exist.*search path', 'a check that does not run');
select matches(pg_temp.register($$'A', 'check_shelves', 'P1', p_correct => 'check_shelves'$$), '^PT422 invariant.correct_invalid: .*must return SETOF jsonb', 'a correction of another shape');
select matches(pg_temp.register($$'A', 'check_shelves', 'P1', '{"boxes": "id"}'$$), '^PT422 invariant.watch_invalid: There is no table "boxes"', 'a table that is not there');
select matches(pg_temp.register($$'A', 'check_shelves', 'P1', '{"full_shelves": "id"}'$$), '^PT422 invariant.watch_invalid: There is no table', 'a view, which changes without a statement of its own');
select matches(pg_temp.register($$'A', 'check_shelves', 'P1', '{"shelves": "number"}'$$), '^PT422 invariant.watch_invalid: .* no column "number"', 'a column that is not there');
select matches(pg_temp.register($$'A', 'check_shelves', 'P1', '{"shelves": "stocked_at"}'$$), '^PT422 invariant.watch_invalid: .* no column "stocked_at" whose values', 'a column whose text depends on who reads it');
select matches(pg_temp.register($$'A', 'check_shelves', 'P1', '["shelves"]'$$), '^PT422 invariant.watch_invalid: What to watch must be a JSON object', 'watches that are none');
select matches(pg_temp.register($$'A', 'check_shelves', 'P1', '{"a b; drop": "id"}'$$), '^PT422 invariant.watch_invalid', 'a table that no table could be');
select matches(pg_temp.register($$'A', 'check_shelves', 'P5'$$), '^PT422 invariant.invalid: .*priority is known', 'a priority that is none');
select matches(pg_temp.register($$'no name', 'check_shelves', 'P1'$$), '^PT422 invariant.invalid: .*name is upper snake case', 'a name that is none');
select matches(pg_temp.register($$'A', 'check_shelves', 'P1', p_statement_timeout => '0'$$), '^PT422 invariant.invalid: .*statement timeout', 'a timeout that is none');
select matches(pg_temp.register($$'A', 'check_shelves', null$$), '^PT422 invariant.invalid: .*priority', 'no priority');
select is((select count(*) from public.invariants where name = 'A'), 0::bigint, 'nothing of that is registered');

select matches(pg_temp.refusal($$select run_invariant('UNKNOWN')$$), '^PT404 invariant.unknown: There is no invariant "UNKNOWN"', 'an unknown invariant is not run');
select matches(pg_temp.refusal($$select set_invariant_enabled('UNKNOWN', true)$$), '^PT404 invariant.unknown', 'nor switched on');
select register_invariant('A', 'check_shelves', 'P1', '{"shelves": "id"}', 'correct_nothing');
select matches(pg_temp.refusal($$select run_invariant('A', 'quickly')$$), '^PT422 invariant.mode_unknown: There is no mode "quickly"', 'an unknown mode is refused');

select * from finish();
rollback;
