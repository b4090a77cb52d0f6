-- Without one, deleting or renaming a parent reads the whole child table under a lock.
begin;
select plan(5);

create function pg_temp.offences() returns setof text language sql as $$
  select format('%s on %s', k.conname, k.conrelid::regclass)
  from pg_constraint k join pg_namespace n on n.oid = k.connamespace
  where k.contype = 'f' and n.nspname in ('public', 'private') and not exists (
    select from pg_index i
    where i.indrelid = k.conrelid and i.indpred is null and (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey)
$$;
create function pg_temp.found() returns text[] language sql as 'select array(select pg_temp.offences() order by 1)';

select is(pg_temp.found(), '{}', 'every foreign key has an index that begins with its columns');

create table public.parent (id integer primary key);
create table public.child (id integer primary key, parent_id integer references public.parent (id));
select is(pg_temp.found(), '{child_parent_id_fkey on child}', 'one without is found');

create index child_partial_idx on public.child (parent_id) where parent_id > 0;
select is(pg_temp.found(), '{child_parent_id_fkey on child}', 'a partial index is none');

create index child_second_idx on public.child (id, parent_id);
select is(pg_temp.found(), '{child_parent_id_fkey on child}', 'nor is one that begins with something else');

create index child_parent_idx on public.child (parent_id, id);
select is(pg_temp.found(), '{}', 'one that begins with it is');

select * from finish();
rollback;
