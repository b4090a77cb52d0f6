-- Who owns the database can make everything in it fit. What was published before does not change with it.
begin;
select plan(8);

create table public.log (name text);
select private.make_immutable('public.log');
insert into public.log (name) select 'first ' || n from generate_series(1, 5) n;
select public.seal_audit('log');
insert into public.log (name) select 'second ' || n from generate_series(1, 3) n;
select public.seal_audit('log');
create temp table checkpoints as select number, jsonb_build_object('size', size, 'root', encode(root, 'base64')) as checkpoint from public.audit_blocks where table_name = 'log';
create function pg_temp.kinds(p_number bigint) returns text language sql as $$
  select string_agg(d ->> 'kind', ', ')
  from jsonb_array_elements(verify_audit_integrity('log', p_checkpoint => (select checkpoint from checkpoints where number = p_number)) -> 'damage') d;
$$;
select is(array[pg_temp.kinds(1), pg_temp.kinds(2)], array[null, null], 'a sound log agrees with all its checkpoints');

create procedure pg_temp.seal_anew() language sql as $$
  delete from public.audit_nodes where table_name = 'log';
  delete from public.audit_blocks where table_name = 'log';
  update public.immutable_tables set sealed_seq = 0 where name = 'log';
  select public.seal_audit('log');
$$;
alter table public.log disable trigger user;
alter table public.audit_blocks disable trigger user;
alter table public.audit_nodes disable trigger user;
call pg_temp.seal_anew();
select is((select count(*) from public.audit_blocks where table_name = 'log'), 1::bigint, 'sealed anew, everything is one block');
select is(array[pg_temp.kinds(1), pg_temp.kinds(2)], array[null, null], 'which agrees with checkpoints of the same rows, whatever their blocks were');

savepoint sound;
update public.log t set name = 'forged', leaf_hash = sha256('\x0001'::bytea || convert_to(row('forged', t.immutable_seq, null)::text, 'UTF8')) where immutable_seq = 7;
call pg_temp.seal_anew();
select is(verify_audit_integrity('log') ->> 'valid', 'true', 'a log rewritten from top to bottom is sound in itself');
select is(array[pg_temp.kinds(1), pg_temp.kinds(2)], array[null, 'rewritten'], 'but not what was published after the row that changed');
rollback to savepoint sound;

delete from public.log where immutable_seq > 5;
call pg_temp.seal_anew();
select is(array[pg_temp.kinds(1), pg_temp.kinds(2)], array[null, 'tail_cut'], 'a restored backup has fewer rows than were published');

insert into public.audit_publications (table_name, place, size, root, published_at) select 'log', 'store', 5, decode(checkpoint ->> 'root', 'base64'), now() from checkpoints where number = 1;
select is(verify_audit_integrity('log') ->> 'valid', 'true', 'without a checkpoint the newest one is taken that was published');
insert into public.audit_publications (table_name, place, size, root, published_at) select 'log', 'store', 8, decode(checkpoint ->> 'root', 'base64'), now() from checkpoints where number = 2;
select is(verify_audit_integrity('log') ->> 'valid', 'false', 'and its damage is found');

select * from finish();
rollback;
