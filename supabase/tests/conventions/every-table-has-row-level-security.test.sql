-- Tables of public are one grant away from the API; row level security holds even then.
begin;
select plan(3);

create function pg_temp.offences() returns setof text language sql as $$
  select format('%I.%I', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'private') and c.relkind in ('r', 'p') and not c.relrowsecurity
$$;
create function pg_temp.found() returns text[] language sql as 'select array(select pg_temp.offences() order by 1)';

select is(pg_temp.found(), '{}', 'every table has row level security');

create table public.forgotten (id integer);
select is(pg_temp.found(), '{public.forgotten}', 'a table without it is found');

alter table public.forgotten enable row level security;
select is(pg_temp.found(), '{}', 'and is fine once it has it');

select * from finish();
rollback;
