-- A number that did not come from the sequence at that moment could be sealed as void already.
begin;
select plan(16);

create table public.notes (note text);
select private.make_immutable('notes');
create function pg_temp.numbers() returns bigint[] language sql as 'select array(select immutable_seq from public.notes order by 1)';

insert into public.notes values ('one'), ('two');
insert into public.notes (note, immutable_seq) values ('three', default), ('four', null), ('five', 0);
select is(pg_temp.numbers(), '{1,2,3,4,5}', 'rows are numbered from 1 on, in their order');

prepare given as insert into public.notes (note, immutable_seq) values ('given', $1);
select throws_ok('execute given (6)', 'PT422', null, 'the next number cannot be given');
select throws_ok('execute given (1)', 'PT422', null, 'nor one that a row has');
select throws_ok('execute given (-1)', 'PT422', null, 'nor a negative one');
select throws_ok('execute given (nextval(''public.notes_immutable_seq''))', 'PT422', null, 'nor one that was taken by hand');
select throws_ok('insert into public.notes select ''copy'', immutable_seq from public.notes', 'PT422', null, 'nor those of other rows');
do $$
declare
  v_hint text;
begin
  insert into public.notes (note, immutable_seq) values ('given', 9);
exception when others then
  get stacked diagnostics v_hint = pg_exception_hint;
  perform set_config('tests.hint', v_hint, true);
end $$;
select is(current_setting('tests.hint'), 'audit.number_given', 'the refusal has a code of its own');

insert into public.notes values ('six');
select is(pg_temp.numbers(), '{1,2,3,4,5,7}', 'a number that was taken by hand is no row''s');
select is(seal_audit('notes') -> 0 ->> 'voids', '1', 'and sealed as void');

create unique index notes_note_idx on public.notes (note);
insert into public.notes values ('one'), ('eight') on conflict do nothing;
select is(pg_temp.numbers(), '{1,2,3,4,5,7,9}', 'a row that was not inserted leaves a gap');

insert into public.notes (note, leaf_hash) values ('forged', sha256('another row'));
select isnt((select leaf_hash from public.notes where note = 'forged'), sha256('another row'), 'a hash that came with the row is not taken');

with x as (insert into public.notes values ('returned') returning immutable_seq) select is((select immutable_seq from x), 11::bigint, 'an insert returns the number');

select is(
  (select array_agg(format('%s %s', a.attname, pg_get_expr(d.adbin, d.adrelid)) order by a.attnum) from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
   where a.attrelid = 'public.receipts'::regclass and a.attname in ('immutable_seq', 'leaf_hash') and a.attnotnull),
  '{immutable_seq 0,"leaf_hash ''\\x''::bytea"}', 'the columns have defaults, so that generated types let them be left out');
select is(pg_get_serial_sequence('public.receipts', 'immutable_seq'), 'public.receipts_immutable_seq', 'the sequence belongs to the column');

grant insert (note) on public.notes to service_role;
set local role service_role;
select lives_ok('insert into public.notes (note) values (''by the service role'')', 'who may insert needs no right to the sequence');
reset role;
select is(
  (select array_agg(role) from unnest('{anon, authenticated, service_role}'::text[]) role, public.immutable_tables t
   where has_sequence_privilege(role, t.sequence_name, 'usage, select, update')), null, 'and has none');

select * from finish();
rollback;
