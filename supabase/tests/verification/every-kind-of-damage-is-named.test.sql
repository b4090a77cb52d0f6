begin;
select plan(18);

create table public.log (name text);
select private.make_immutable('public.log');
insert into public.log (name) select 'first ' || n from generate_series(1, 5) n;
savepoint rolled_back;
insert into public.log (name) values ('never'), ('never');
rollback to savepoint rolled_back;
select public.seal_audit('log');
insert into public.log (name) select 'second ' || n from generate_series(1, 3) n;
select public.seal_audit('log');
insert into public.log (name) values ('not sealed');

create function pg_temp.found() returns text language sql as $$
  select concat_ws(' ', v ->> 'valid', v ->> 'gaps', string_agg(format('%s %s-%s', d ->> 'kind', d ->> 'firstSeq', d ->> 'lastSeq'), ', ' order by d ->> 'kind', d -> 'firstSeq') filter (where d is not null))
  from (select verify_audit_integrity('log') as v) v left join jsonb_array_elements(v -> 'damage') d on true group by v;
$$;
create function pg_temp.after(p_tampering text) returns text language plpgsql as $$
declare
  v_found text;
begin
  execute p_tampering;
  v_found := pg_temp.found();
  raise exception using errcode = 'PT000', message = v_found;
exception when sqlstate 'PT000' then
  return v_found; -- What was done to the log is undone.
end $$;

select is(pg_temp.found(), 'true []', 'a log is sound, with numbers that were rolled back and with rows that are not sealed yet');
select is(
  (select verify_audit_integrity('log') - array['damage', 'unguarded']),
  '{"valid": true, "gaps": [], "lastSeq": 11, "table": "log", "rows": 9, "size": 8, "firstBlock": 1, "lastBlock": 2}', 'it says what was verified');

alter table public.log disable trigger user;
alter table public.audit_blocks disable trigger user;
select is(pg_temp.after($$update public.log set name = 'forged' where immutable_seq = 2$$), 'false [] edited 2-2', 'a row that was edited');
select is(
  pg_temp.after($$update public.log t set name = 'forged', leaf_hash = sha256('\x0001'::bytea || convert_to(row('forged', t.immutable_seq, null)::text, 'UTF8')) where immutable_seq = 2$$),
  'false [] edited 2-2', 'its leaf hash made to fit');
select is(pg_temp.after('delete from public.log where immutable_seq in (2, 3)'), 'false [2, 3] deleted 2-3', 'rows that were deleted');
select is(pg_temp.after('delete from public.log where immutable_seq > 4'), 'false [5, 8, 9, 10] tail_cut 5-10', 'the newest rows deleted, void numbers among them');
select is(pg_temp.after('truncate public.log'), 'false [1, 2, 3, 4, 5, 8, 9, 10] tail_cut 1-10', 'all rows gone');
select is(pg_temp.after($$insert into public.log values ('forged', 6, sha256(''))$$), 'false [] inserted_later 6-6', 'a row inserted under a void number');
select is(
  pg_temp.after($$update public.log set immutable_seq = -1 where immutable_seq = 2; update public.log set immutable_seq = 2 where immutable_seq = 9; update public.log set immutable_seq = 9 where immutable_seq = -1$$),
  'false [] reordered 2-2, reordered 9-9', 'rows that were swapped');
select is(pg_temp.after($$update public.log set name = 'forged' where immutable_seq = 11$$), 'false [] edited 11-11', 'a row edited that is not sealed yet');
select is(pg_temp.after($$update public.audit_blocks set sealed_at = '2020-01-01' where table_name = 'log' and number = 1$$), 'false [] rewritten 1-7', 'a block that was edited');
select is(
  pg_temp.after($$update public.audit_blocks set sealed_at = '2020-01-01' where table_name = 'log' and number = 1; update public.audit_blocks b set row_hash = private.block_hash(b) where table_name = 'log' and number = 1$$),
  'false [] rewritten 8-10', 'the chain of blocks, broken at the next one');
select is(pg_temp.after($$delete from public.audit_blocks where table_name = 'log' and number = 1$$), 'false [] rewritten 1-7', 'a block that is missing');
select is(pg_temp.after($$delete from public.audit_blocks where table_name = 'log' and number = 2$$), 'false [] tail_cut 8-10', 'the last block missing');
select is(pg_temp.after('alter table public.log rename column name to title'), 'false [] edited 1-10', 'a column with another name');
select is(pg_temp.after('alter table public.log drop column leaf_hash'), 'false [] tail_cut 1-10', 'a table without its hashes');
select is(pg_temp.after('drop table public.log'), 'false [] tail_cut 1-10', 'a table that is gone');
select is(pg_temp.after($$update public.immutable_tables set sealed_seq = 3 where name = 'log'$$), 'false [] rewritten 4-10', 'a log that pretends to be sealed less far');

select * from finish();
rollback;
