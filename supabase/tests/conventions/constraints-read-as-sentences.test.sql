-- The name is what a person reads when a row is refused.
begin;
select plan(2);

create function pg_temp.offences() returns setof text language sql as $$
  select format('%s on %s', k.conname, coalesce(k.conrelid::regclass::text, k.contypid::regtype::text))
  from pg_constraint k join pg_namespace n on n.oid = k.connamespace
  where n.nspname in ('public', 'private') and k.contype in ('c', 'x') and k.conname ~ '_(check|excl)[0-9]*$'
$$;
create function pg_temp.found() returns text[] language sql as 'select array(select pg_temp.offences() order by 1)';

select is(pg_temp.found(), '{}', 'every check has a name of its own');

create table public.forgotten (number integer check (number > 0), constraint number_is_small check (number < 9));
select is(pg_temp.found(), '{forgotten_number_check on forgotten}', 'one whose name was generated is found');

select * from finish();
rollback;
