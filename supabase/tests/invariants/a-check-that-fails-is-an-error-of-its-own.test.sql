begin;
select plan(17);

create table public.shelves (id bigint primary key, weight integer not null);
create table public.mistakes (kind text);
create function public.check_shelves(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language plpgsql set search_path = '' as $$
begin
  case (select m.kind from public.mistakes m)
    when 'throws' then raise exception '%', repeat('long ', 1000);
    when 'asserts' then assert false, 'no way';
    when 'refuses' then raise exception using errcode = 'PT409', message = 'not now';
    when 'pretends to be done' then raise exception using errcode = 'PT001';
    when 'writes' then insert into public.shelves values (9, 9);
    when 'allows itself to write' then perform set_config('transaction_read_only', 'off', true);
    when 'writes a temporary table' then insert into pg_temp.notes values (1);
    when 'has no name' then return query select null, '', '', null::jsonb;
    when 'has a long name' then return query select repeat('x', 501), '', '', null::jsonb;
    else
  end case;
  return query select s.id::text, 'at least 0', s.weight::text, null::jsonb from public.shelves s
  where s.weight < 0 and (p_entities is null or s.id = any (p_entities::bigint[]));
end $$;
select register_invariant('SHELVES', 'check_shelves', 'P2', '{"shelves": "id"}'), register_invariant('OTHER_SHELVES', 'public.check_shelves', 'P3');
insert into public.shelves values (1, -1);
select run_invariant('SHELVES');
create temp table before as select * from public.invariants where name = 'SHELVES';
update public.shelves set weight = 1;

create function pg_temp.outcome(p_kind text) returns text language plpgsql as $$
declare
  v_answer jsonb;
begin
  truncate public.mistakes;
  insert into public.mistakes values (p_kind);
  v_answer := run_invariant('SHELVES', p_now => now() + interval '1 minute');
  return concat_ws(': ', v_answer -> 'error' ->> 'code', v_answer -> 'error' ->> 'message');
end $$;

select matches(pg_temp.outcome('throws'), '^invariant.failed: The check failed: long ', 'a check that throws is an error of the invariant');
select cmp_ok((select length(last_error ->> 'message') from public.invariants where name = 'SHELVES'), '<=', 500, 'whose text is cut');
select is(
  (select (i.last_run_at > b.last_run_at, i.last_ok_at = b.last_ok_at, i.watermark::text = b.watermark::text, i.open_violations)::text from public.invariants i join before b using (name)),
  '(t,t,t,1)', 'its violations stay as they were, and what it had seen');
select is((select (found, opened, cleared, error ->> 'code')::text from public.invariant_runs order by id desc limit 1), '(,0,0,invariant.failed)', 'the run is on record');
select is(pg_temp.outcome('asserts'), 'invariant.failed: The check failed: no way (P0004).', 'a failed assertion is one');
select is(pg_temp.outcome('pretends to be done'), 'invariant.failed: The check raised PT001.', 'so is one that looks like success');
select is(pg_temp.outcome('refuses'), 'invariant.failed: The check failed: not now (PT409).', 'or like an answer to a request');
select is(pg_temp.outcome('writes'), 'invariant.failed: The check failed: cannot execute INSERT in a read-only transaction (25006).', 'a check cannot write');
select matches(pg_temp.outcome('allows itself to write'), 'cannot set transaction read-write mode inside a read-only transaction', 'nor permit itself to');
select matches(pg_temp.outcome('has no name'), '^invariant.failed: The check returned an entity without a name', 'an entity needs a name');
select matches(pg_temp.outcome('has a long name'), '^invariant.failed: The check returned an entity without a name, or with one of more than 500', 'of 500 characters at most');
select is((select (open_violations, last_error)::text from public.invariants where name = 'SHELVES'), '(1,"' || replace((select last_error::text from public.invariants where name = 'SHELVES'), '"', '""') || '")', 'nothing of that changed what is known');

select is(pg_temp.outcome('none'), '', 'it can run again');
select is((select (open_violations, last_error)::text from public.invariants where name = 'SHELVES'), '(0,)', 'and then all that changed meanwhile is seen');

create temp table notes (id integer);
select is((pg_temp.outcome('writes a temporary table'), (select count(*) from notes))::text, '("",0)', 'what a check writes into a temporary table is undone');

drop function public.check_shelves;
select private.run_scheduled_invariant('SHELVES');
select matches((select last_error ->> 'message' from public.invariants where name = 'SHELVES'), 'function public.check_shelves\(text\[\]\) does not exist', 'a function that is gone fails its invariant, not the cycle');

delete from public.settings where name = 'invariant_full_recheck_hours';
select private.run_scheduled_invariant('SHELVES');
select matches((select last_error ->> 'message' from public.invariants where name = 'SHELVES'), '^The run could not be completed: There is no setting', 'so does whatever else breaks a run off');

select * from finish();
rollback;
