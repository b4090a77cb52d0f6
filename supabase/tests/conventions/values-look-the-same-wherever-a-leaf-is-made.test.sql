-- A leaf text depends on how values look: whoever has leaf texts made pins the same settings for all that it calls.
begin;
select plan(3);

create function pg_temp.settings() returns table (name name, settings text) language sql as $$
  select p.proname, array_to_string(array(
    select c from unnest(p.proconfig) c where c ~ '^(DateStyle|IntervalStyle|TimeZone|bytea_output|extra_float_digits|lc_monetary)=' order by c collate "C"), ', ')
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ('public', 'private') and exists (select from unnest(p.proconfig) c where c ~ '^(DateStyle|TimeZone)=')
$$;
create function pg_temp.differing() returns text[] language sql as $$
  select array(select name || ': ' || settings from pg_temp.settings()
    where settings <> 'DateStyle=ISO, YMD, IntervalStyle=iso_8601, TimeZone=UTC, bytea_output=hex, extra_float_digits=1, lc_monetary=C' order by name)
$$;

select is(pg_temp.differing(), '{}', 'the functions that pin such settings pin them alike');
select is(array(select name::text from pg_temp.settings() order by name), '{export_audit_block,hash_rows,record_row,verify_audit_integrity}',
  'rows are hashed when they are inserted, when a table is made immutable, verified and exported');

create function private.forgotten() returns integer language sql set timezone = 'Europe/Paris' as 'select 1';
select is(pg_temp.differing(), '{"forgotten: TimeZone=Europe/Paris"}', 'one that pins others is found');

select * from finish();
rollback;
