begin;
select plan(5);

create table public.lost (name text);
create table public.others (name text);
select private.make_immutable(name) from unnest('{lost, others}'::text[]) name;
insert into public.lost (name) values ('one');
insert into public.others (name) values ('one');
alter table public.lost rename to moved;
-- A table that a session calls as the functions call theirs.
create temp table t (immutable_seq bigint, leaf_hash bytea);
insert into t values (1, sha256('forged'));

select throws_ok(
  $$select public.seal_audit('lost')$$, 'PT404',
  'Table lost is gone, so nothing of it can be sealed. Give it its name back, or restore it.', 'a renamed table is not sealed, nor is another in its place');
select is(
  (select s ->> 'error' from jsonb_array_elements(public.seal_audit()) s where s ->> 'table' = 'lost'),
  'Table lost is gone, so nothing of it can be sealed. Give it its name back, or restore it.', 'the timer says so');
select is((select size from public.audit_blocks where table_name = 'others'), 1::bigint, 'and seals the others');
alter table public.moved rename to lost;
select is(public.seal_audit('lost') -> 0 ->> 'sealed', '1', 'under its name again it goes on');
drop table public.lost;
select throws_like($$select public.seal_audit('lost')$$, 'Table lost is gone%', 'a dropped table is not sealed');

select * from finish();
rollback;
