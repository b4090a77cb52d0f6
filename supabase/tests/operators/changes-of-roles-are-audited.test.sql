begin;
select plan(8);

create function pg_temp.entries() returns text[] language sql as $$
  select array(
    select concat_ws(' ', action, right(resource, 1), result, 'was', coalesce(payload ->> 'previous_role', 'none'), 'by', actor)
    from public.audit_log where subsystem = 'operators' and kind = 'decision' order by immutable_seq)
$$;

insert into public.operators (user_id, role) values (tests.id(1), 'viewer');
select is(pg_temp.entries(), '{role.granted 1 viewer was none by postgres}', 'a role that is granted');

insert into public.operators (user_id, role) values (tests.id(1), 'admiral') on conflict (user_id) do update set role = excluded.role;
select is((pg_temp.entries())[2:], '{role.changed 1 admiral was viewer by postgres}', 'one that changes');

insert into public.operators (user_id, role) values (tests.id(1), 'viewer') on conflict do nothing;
update public.operators set role = 'admiral';
select is((pg_temp.entries())[3:], '{}', 'but nothing when nothing changes');

update public.operators set role = 'operator', granted_by = 'somebody else', granted_at = '2000-01-01';
select is((select granted_by || (granted_at = now()) from public.operators), 'postgrestrue', 'nobody grants a role in another''s name, or in the past');

delete from public.operators;
select is((pg_temp.entries())[4:], '{role.revoked 1 none was operator by postgres}', 'one that is revoked');

insert into public.operators (user_id, role) values (tests.id(1), 'viewer'), (tests.id(2), 'operator');
truncate public.operators;
select is(
  (select array_agg(e order by e) from unnest(pg_temp.entries()) e where e like 'role.revoked%')::text,
  '{"role.revoked 1 none was operator by postgres","role.revoked 1 none was viewer by postgres","role.revoked 2 none was operator by postgres"}',
  'and all that TRUNCATE takes away');
select is((select count(*) from public.operators), 0::bigint, 'which it does');

insert into public.operators (user_id, role) values (tests.id(1), 'viewer');
select throws_ok('update public.operators set user_id = tests.id(2)', 'PT422',
  'The role of user 00000000-0000-4000-8000-000000000001 cannot become another user''s. Delete the row, and insert one for the other user.',
  'a role is not handed over silently');

select * from finish();
rollback;
