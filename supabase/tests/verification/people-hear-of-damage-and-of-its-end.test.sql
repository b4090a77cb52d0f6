begin;
select plan(15);

create table public.log (name text);
select private.make_immutable('public.log');
insert into public.log (name) select md5(n::text) from generate_series(1, 20) n;
select public.seal_audit('log');
create function pg_temp.told() returns text[] language sql as $$
  select coalesce(array_agg(concat_ws(' ', o.kind, o.payload ->> 'table_name', o.payload ->> 'kind', o.payload ->> 'first_seq', o.payload ->> 'rows') order by o.id), '{}')
  from public.outbox o where o.channel = 'slack' and o.kind like 'damage%';
$$;
create function pg_temp.open() returns text[] language sql as $$
  select coalesce(array_agg(concat_ws(' ', d.kind, d.first_seq, d.last_seq) order by d.id), '{}') from public.audit_damage d where d.table_name = 'log' and d.over_at is null;
$$;
select private.verify_audit();
select is((pg_temp.told(), pg_temp.open())::text, '({},{})', 'nobody hears of a sound log');
select is((select verified_block from public.audit_verifications where table_name = 'log'), 1::bigint, 'its blocks were verified');

create temp table kept as select * from public.log;
alter table public.log disable trigger user;
update public.log set name = 'forged' where immutable_seq in (3, 4);
alter table public.log enable always trigger zz_immutable_leaf;
alter table public.log enable always trigger immutable_guard;
alter table public.log enable always trigger immutable_guard_of_rows;
select private.verify_audit();
select is(pg_temp.told(), '{damage log edited 3 2}', 'damage of old rows is found and told');
select is(pg_temp.open(), '{edited 3 4}', 'an entry is open');
select is((select open_damage from public.audit_status where table_name = 'log'), 1::bigint, 'the status counts it');
select is((select result from public.audit_log where action = 'damage.found' and resource = 'table:log'), 'edited', 'the audit log says so too');
select private.verify_audit();
select is(array_length(pg_temp.told(), 1), 1, 'it is told once');

alter table public.log disable trigger user;
delete from public.log where immutable_seq = 10;
select private.verify_audit();
select is(pg_temp.open(), '{"edited 3 4","deleted 10 10",unguarded}', 'other damage has entries of its own; that the triggers are off has one');
select is((pg_temp.told())[2], 'damage log deleted 10 1', 'and is told in one message');

update public.log l set name = k.name from kept k where k.immutable_seq = l.immutable_seq;
select private.verify_audit();
select is(pg_temp.open(), '{"deleted 10 10",unguarded}', 'when rows are again what they were, their entry ends');
select is((pg_temp.told())[3], 'damage_over log edited 3 2', 'people hear of it');
insert into public.log select * from kept where immutable_seq = 10;
select private.make_immutable('public.log');
select private.verify_audit();
select is(pg_temp.open(), '{}', 'in the end all is sound');
select is((pg_temp.told())[4], 'damage_over log deleted 10 1', 'and people know');

alter table public.log alter column immutable_seq drop default, alter column immutable_seq type text;
select private.verify_audit();
select is(pg_temp.open(), '{unverified}', 'a table that cannot be verified is not called sound');
select ok((select count(*) > 3 and bool_and(verified_at is not null) from public.audit_verifications), 'and the others are verified all the same');

select * from finish();
rollback;
