-- A time without time zone means another instant on every machine.
begin;
select plan(2);

create function pg_temp.offences() returns setof text language sql as $$
  select format('%I.%I.%I', n.nspname, c.relname, a.attname)
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm', 'c') and not a.attisdropped
    and a.atttypid in ('timestamp'::regtype, 'time'::regtype)
$$;
create function pg_temp.found() returns text[] language sql as 'select array(select pg_temp.offences() order by 1)';

select is(pg_temp.found(), '{}', 'every time is a timestamptz');

create table public.forgotten (at timestamp);
select is(pg_temp.found(), '{public.forgotten.at}', 'one that is not is found');

select * from finish();
rollback;
