begin;
select plan(21);

create table public.boxes (id bigint primary key, shelf bigint);
create table public.shelves (id bigint primary key);
create function public.check_boxes(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$
  select b.id::text, 'a shelf', 'none', null::jsonb from public.boxes b
  where (p_entities is null or b.id = any (p_entities::bigint[])) and not exists (select from public.shelves s where s.id = b.shelf)
$$;
create function public.delete_boxes(p_entities text[]) returns setof jsonb language plpgsql set search_path = '' as $$
begin
  if '666' = any (p_entities) then
    raise exception 'not this one';
  end if;
  -- Not all that it is asked to.
  return query delete from public.boxes b where b.id = any (p_entities::bigint[]) and b.id <> 7 returning to_jsonb(b);
end $$;
create function pg_temp.run(p_minutes integer, p_dry_run boolean default false) returns text language plpgsql as $$
declare
  v_answer jsonb := run_invariant('A', 'auto', p_dry_run, now() + p_minutes * interval '1 minute');
begin
  return concat_ws(' ', 'open', v_answer ->> 'open_violations', 'corrected', v_answer ->> 'corrected', v_answer -> 'error' ->> 'code');
end $$;
create function pg_temp.audited(p_action text) returns bigint language sql as $$
  select count(*) from public.audit_log where subsystem = 'invariants' and action = 'invariant.' || p_action
$$;
select register_invariant('A', 'check_boxes', 'P3', '{"boxes": "id"}', 'delete_boxes', p_correct_limit => 3);

insert into public.boxes values (1, 10), (2, 10);
select is(pg_temp.run(0), 'open 2 corrected 0', 'what is found for the first time is not corrected: it may be mended in a moment');
select is(run_invariant('A', p_dry_run => true, p_now => now() + interval '1 minute') -> 'would_correct', '[{"id": 1, "shelf": 10}, {"id": 2, "shelf": 10}]', 'a dry run shows what would be corrected');
select is((select count(*) from public.boxes), 2::bigint, 'and corrects nothing');
select is((select (count(*), max(seen_at) = now())::text from public.invariant_violations), '(2,t)', 'nor does it change what is known');
select is((select count(*) from public.invariant_runs), 1::bigint, 'nor is it a run');
insert into public.shelves values (10);
insert into public.boxes values (3, 11);
select is(pg_temp.run(1, true), 'open 0 corrected 1', 'it looks at what is wrong now, though nobody had found it before');
delete from public.shelves;
delete from public.boxes where id = 3;

select is(pg_temp.run(1), 'open 0 corrected 2', 'what an earlier run had found is corrected, though nobody touched it since');
select is((select count(*) from public.boxes), 0::bigint, 'really');
select is((select string_agg(entity || ' ' || cleared_by, ', ' order by entity) from public.invariant_violations), '1 corrected, 2 corrected', 'the violations say so');
select is((select string_agg(payload::text, ', ' order by immutable_seq) from public.audit_log where action = 'invariant.corrected'),
  '{"row_before": {"id": 1, "shelf": 10}}, {"row_before": {"id": 2, "shelf": 10}}', 'each row is in the audit log as it was');

insert into public.boxes select i, 10 from generate_series(1, 4) i;
select pg_temp.run(2);
select is(pg_temp.run(3), 'open 4 corrected 0 invariant.too_many_to_correct', 'more than the limit is left to people');
select is(pg_temp.run(4), 'open 4 corrected 0 invariant.too_many_to_correct', 'however often it is found');
select is(pg_temp.audited('correction_refused'), 1::bigint, 'which is recorded once');
select is((select last_ok_at = now() + interval '4 minutes' from public.invariants where name = 'A'), true, 'the check itself gave its answer');
delete from public.boxes where id = 4;
select is(pg_temp.run(5), 'open 0 corrected 3', 'within the limit it goes on');

insert into public.boxes values (666, 10);
select pg_temp.run(6);
select is(pg_temp.run(7), 'open 1 corrected 0 invariant.correct_failed', 'a correction that throws is an error, and what it should have mended stays open');
delete from public.boxes;
insert into public.boxes values (7, 10), (8, 10);
select pg_temp.run(8);
select is(pg_temp.run(9), 'open 1 corrected 1', 'what a correction left wrong is not called corrected');
select is((select string_agg(entity, ',') from public.invariant_violations where cleared_at is null), '7', 'and stays open');

delete from public.boxes;
insert into public.boxes values (9, 10);
select pg_temp.run(10);
update public.system_mode set mode = 'safe';
select is(pg_temp.run(11), 'open 1 corrected 0', 'in safe mode nothing is corrected');
select is((run_invariant('A', p_dry_run => true, p_now => now() + interval '12 minutes') -> 'would_correct')::text, '[]', 'nor would be');
update public.system_mode set mode = 'normal';
select is(pg_temp.run(13), 'open 0 corrected 1', 'after it everything goes on');

select * from finish();
rollback;
