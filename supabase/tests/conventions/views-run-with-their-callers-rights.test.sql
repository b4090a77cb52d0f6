-- Otherwise a view shows to everybody what its owner may see.
begin;
select plan(3);

create function pg_temp.offences() returns setof text language sql as $$
  select format('%I.%I', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'private') and c.relkind = 'v' and not exists (select from unnest(c.reloptions) o where o in ('security_invoker=true', 'security_invoker=on'))
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
$$;
create function pg_temp.found() returns text[] language sql as 'select array(select pg_temp.offences() order by 1)';

select is(pg_temp.found(), '{}', 'every view is a security_invoker view');

create view public.forgotten as select 1 as number;
select is(pg_temp.found(), '{public.forgotten}', 'one that is not is found');

alter view public.forgotten set (security_invoker = on);
select is(pg_temp.found(), '{}', 'and is fine once it is');

select * from finish();
rollback;
