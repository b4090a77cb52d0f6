begin;
select plan(5);

create table public.log (name text);
select private.make_immutable('public.log');
insert into public.log (name) values ('one'), ('two'), ('three');
select public.seal_audit('log');
insert into public.log (name) values ('four'), ('five');
select public.seal_audit('log');
create function pg_temp.found() returns text language sql as $$
  select string_agg(format('%s %s-%s', d ->> 'kind', d ->> 'firstSeq', d ->> 'lastSeq'), ', ') from jsonb_array_elements(verify_audit_integrity('log') -> 'damage') d;
$$;
alter table public.log disable trigger user;
alter table public.audit_blocks disable trigger user;

create temp table kept as select * from public.log where immutable_seq <= 3;
delete from public.log where immutable_seq <= 3;
select is(pg_temp.found(), 'deleted 1-3', 'rows that are missing are damage');
select private.audit('audit', 'Ada', 'segment.dropped', 'table:log', 'dropped', '{"last_seq": 3}');
select is(pg_temp.found(), null, 'but not when the audit log says that they were exported and dropped');
select is(verify_audit_integrity('log') -> 'rows', '2', 'they are not counted as verified');
update public.audit_blocks set leaves = sha256('') || substr(leaves, 33) where table_name = 'log' and number = 1;
select is(pg_temp.found(), 'rewritten 1-3', 'their block still proves them, and must stay as it is');
update public.audit_blocks b set leaves = (select string_agg(k.leaf_hash, '' order by k.immutable_seq) from kept k) where table_name = 'log' and number = 1;
insert into public.log select * from kept where immutable_seq = 2;
select is(pg_temp.found(), 'inserted_later 2-2', 'a row that comes back is damage');

select * from finish();
rollback;
