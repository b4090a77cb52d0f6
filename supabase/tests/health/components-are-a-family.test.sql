-- Adding a component is one function and one line in private.health().
begin;
select plan(5);

create function pg_temp.functions() returns text[] language sql as $$
  select array(
    select substr(p.proname, length('health_') + 1) from pg_proc p
    where p.pronamespace = 'private'::regnamespace and p.proname like 'health\_%' and p.prorettype = 'private.health_component'::regtype order by 1)
$$;
create function pg_temp.components() returns text[] language sql as
  $$ select array(select jsonb_object_keys(private.health(now()) -> 'components') order by 1) $$;

select is(pg_temp.functions(), '{backup,error_rate,incidents,integrity,latency,migrations}', 'there are six');
select is(pg_temp.components(), pg_temp.functions(), 'the score counts each, and nothing else');
select is(
  array(select p.proname from pg_proc p where p.prorettype = 'private.health_component'::regtype
    and (pg_get_function_identity_arguments(p.oid) <> 'p_now timestamp with time zone' or p.provolatile <> 's' or p.prosecdef)), '{}',
  'each takes the time and only reads');
select is((select sum((value -> 'max')::integer) from jsonb_each(private.health(now()) -> 'components')), 100::bigint, 'together they are worth 100 points');

create function private.health_forgotten(p_now timestamptz) returns private.health_component language sql as 'select null::private.health_component';
select isnt(pg_temp.components(), pg_temp.functions(), 'one that is not counted is found');

select * from finish();
rollback;
