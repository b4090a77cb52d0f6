-- What is executable by PUBLIC is executable by anon; what is private is for functions only.
begin;
select plan(5);

create function pg_temp.offences() returns setof text language sql as $$
  select p.oid::regprocedure || ' by ' || r.rolname
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace, pg_roles r
  where n.nspname in ('public', 'private') and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e') and r.rolname in ('anon', 'authenticated', 'service_role')
    and has_function_privilege(r.oid, p.oid, 'execute') <> (
      -- Those that change tables are for their owner, in the SQL editor.
      r.rolname = 'service_role' and n.nspname = 'public' and p.proname not in ('register_invariant', 'guard_table', 'unguard_table')
      -- Tells a signed-in user his own role and nothing else.
      or r.rolname = 'authenticated' and p.oid = 'public.my_role()'::regprocedure)
  union all
  select p.oid::regprocedure || ' by everyone'
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace,
    lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
  where n.nspname in ('public', 'private') and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e') and a.grantee = 0
$$;
create function pg_temp.found() returns text[] language sql as 'select array(select pg_temp.offences() order by 1)';

select is(pg_temp.found(), '{}', 'public functions are executable by service_role unless they are the owner''s, private ones by nobody, and one tells users their own role');

create function public.forgotten() returns integer language sql as 'select 1';
revoke execute on function public.forgotten() from anon, authenticated;
grant execute on function public.forgotten() to service_role;
select is(pg_temp.found(), '{"forgotten() by anon","forgotten() by authenticated","forgotten() by everyone"}', 'to revoke it from the roles while everyone holds it is not enough');

revoke execute on function public.forgotten() from public;
select is(pg_temp.found(), '{}', 'to revoke it from everyone is');

revoke execute on function public.forgotten() from service_role;
select is(pg_temp.found(), '{forgotten() by service_role}', 'a public function that service_role cannot execute is found');

alter function public.forgotten() set schema private;
select is(pg_temp.found(), '{}', 'in private it is as it should be');

select * from finish();
rollback;
