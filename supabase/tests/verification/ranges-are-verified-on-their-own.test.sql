begin;
select plan(8);

create table public.log (name text);
select private.make_immutable('public.log');
create function pg_temp.valid(p_first bigint, p_last bigint) returns text language sql as $$
  select string_agg(d ->> 'kind', ', ') from jsonb_array_elements(verify_audit_integrity('log', p_first, p_last) -> 'damage') d;
$$;
do $$
begin
  for block in 1..6 loop
    insert into public.log (name) select md5(n::text) from generate_series(1, 700) n;
    perform public.seal_audit('log');
  end loop;
end $$;
insert into public.log (name) values ('not sealed');

select is(
  audit_ranges('log', 1400),
  '[{"first_block": 1, "last_block": 2, "rows": 1400}, {"first_block": 3, "last_block": 4, "rows": 1400}, {"first_block": 5, "last_block": null, "rows": 1400}]',
  'the blocks are cut into ranges; the last one is open');
select is(
  (select sum((verify_audit_integrity('log', first_block, last_block) ->> 'rows')::bigint) from jsonb_to_recordset(audit_ranges('log', 1000)) r (first_block bigint, last_block bigint)),
  4201::numeric, 'together they have every row, sealed or not');
select is(array(select pg_temp.valid(n, n) from generate_series(1, 6) n), array_fill(null::text, array[6]), 'each block can be verified alone');

alter table public.log disable trigger user;
alter table public.audit_blocks disable trigger user;
alter table public.audit_nodes disable trigger user;
update public.log set name = 'forged' where immutable_seq = 1500;
select is(array(select pg_temp.valid(n, n) from generate_series(1, 6) n), '{NULL,NULL,edited,NULL,NULL,NULL}', 'what is damaged is found by its range alone');
delete from public.audit_blocks where table_name = 'log' and number = 4;
select is(pg_temp.valid(5, 6), 'rewritten', 'a range that has lost the block before it is not sound');
select is(pg_temp.valid(4, 4), 'rewritten', 'nor is one without blocks');
select is(pg_temp.valid(1, 2), null, 'others are');
update public.audit_nodes set hash = sha256(hash) where table_name = 'log' and level = 10 and index = 0;
select is(pg_temp.valid(1, 2), 'rewritten', 'a node that proofs are made of belongs to the block that completed it');

select * from finish();
rollback;
