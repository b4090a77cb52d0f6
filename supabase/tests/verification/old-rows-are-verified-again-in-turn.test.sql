begin;
select plan(6);

update public.settings set value = '200' where name = 'audit_recheck_rows';
update public.settings set value = '300' where name = 'audit_verify_rows';
create table public.log (name text);
select private.make_immutable('public.log');
do $$
begin
  for block in 1..5 loop
    insert into public.log (name) select md5(n::text) from generate_series(1, 10) n;
    perform public.seal_audit('log');
  end loop;
end $$;
create function pg_temp.turn() returns text language plpgsql as $$
begin
  perform private.verify_audit();
  return (select format('%s %s', verified_block, recheck_block) from public.audit_verifications where table_name = 'log');
end $$;

select is(pg_temp.turn(), '3 0', 'a turn verifies a bounded number of new rows');
select is(pg_temp.turn(), '5 2', 'the next one goes on, and begins again with the oldest');
select is(array[pg_temp.turn(), pg_temp.turn()], '{"5 4","5 5"}', 'turn by turn old rows are read again');
select is(pg_temp.turn(), '5 2', 'then from the beginning');
alter table public.log disable trigger user;
delete from public.log where immutable_seq = 45;
select pg_temp.turn(), pg_temp.turn();
select is((select array_agg(kind || first_seq) from public.audit_damage where table_name = 'log' and kind <> 'unguarded'), '{deleted45}', 'so that damage of any age is found');

update public.settings set value = '100' where name like 'audit_re%';
create table public.quiet (name text);
select private.make_immutable('public.quiet');
do $$
begin
  for block in 1..12 loop
    insert into public.quiet (name) select md5(n::text) from generate_series(1, 10) n;
    perform public.seal_audit('quiet');
  end loop;
end $$;
alter table public.quiet disable trigger user;
update public.quiet set name = name || '!' where immutable_seq % 10 = 5;
do $$ begin for turn in 1..20 loop perform private.verify_audit(); end loop; end $$;
update public.quiet set name = rtrim(name, '!') where immutable_seq = 115;
do $$ begin for turn in 1..12 loop perform private.verify_audit(); end loop; end $$;
select is(
  (select array_agg(first_seq) from public.audit_damage where table_name = 'quiet' and kind = 'edited' and over_at is not null), '{115}',
  'and its end as well, however much other damage stays');

select * from finish();
rollback;
