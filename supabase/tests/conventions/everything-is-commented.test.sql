-- A person who opens the database in Studio finds out there what each thing is for.
begin;
select plan(2);

create function pg_temp.offences() returns setof text language sql as $$
  select format('table %I.%I', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm') and obj_description(c.oid, 'pg_class') is null
  union all
  select format('column %I.%I.%I', n.nspname, c.relname, a.attname)
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm') and a.attnum > 0 and not a.attisdropped
    and col_description(c.oid, a.attnum) is null
  union all
  select format('index %I.%I', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'private') and c.relkind in ('i', 'I') and obj_description(c.oid, 'pg_class') is null
    and not exists (select from pg_constraint k where k.conindid = c.oid)
  union all
  select format('function %s', p.oid::regprocedure)
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ('public', 'private') and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e') and obj_description(p.oid, 'pg_proc') is null
  union all
  select format('type %I.%I', n.nspname, t.typname)
  from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
  where n.nspname in ('public', 'private') and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c') and obj_description(t.oid, 'pg_type') is null
  union all
  select format('trigger %s on %s', t.tgname, t.tgrelid::regclass)
  from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'private') and not t.tgisinternal and obj_description(t.oid, 'pg_trigger') is null
  union all
  select 'schema private' where obj_description('private'::regnamespace, 'pg_namespace') is null
$$;
create function pg_temp.found() returns text[] language sql as 'select array(select pg_temp.offences() order by 1)';

select is(pg_temp.found(), '{}', 'every schema, table, column, view, index, function, type and trigger is commented');

create table public.forgotten (number integer);
create index forgotten_idx on public.forgotten (number);
create view public.forgotten_view as select number from public.forgotten;
create type private.forgotten_type as (number integer);
create function private.forgotten() returns trigger language plpgsql as 'begin return null; end';
create trigger forgotten_trigger after insert on public.forgotten execute function private.forgotten();
select is(pg_temp.found(), '{"column public.forgotten.number","column public.forgotten_view.number","function private.forgotten()","index public.forgotten_idx","table public.forgotten","table public.forgotten_view","trigger forgotten_trigger on forgotten","type private.forgotten_type"}', 'everything that is not is found');

select * from finish();
rollback;
