-- Otherwise a caller decides which table a function reads.
begin;
select plan(4);

create function pg_temp.offences() returns setof text language sql as $$
  select p.oid::regprocedure::text
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ('public', 'private') and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
    and not coalesce('search_path=""' = any (p.proconfig), false)
$$;
create function pg_temp.found() returns text[] language sql as 'select array(select pg_temp.offences() order by 1)';

select is(pg_temp.found(), '{}', 'every function pins its search path to nothing');

create function public.forgotten() returns integer language sql as 'select 1';
select is(pg_temp.found(), '{forgotten()}', 'one that does not is found');

alter function public.forgotten() set search_path = public;
select is(pg_temp.found(), '{forgotten()}', 'a search path of public is none');

alter function public.forgotten() set search_path = '';
select is(pg_temp.found(), '{}', 'an empty one is');

select * from finish();
rollback;
