-- What the project's users may do here: viewer < operator < admiral. A role is a row, so that deleting it revokes it at once,
-- whatever tokens are still valid.

create table public.operators (
  user_id uuid primary key,
  role text not null,
  granted_by text not null default session_user,
  granted_at timestamptz not null default now(),
  constraint operators_role_is_known check (role in ('viewer', 'operator', 'admiral'))
);
comment on table public.operators is 'The users who may see and steer the self-healing platform; users without a row may not.';
comment on column public.operators.user_id is 'As in auth.users.';
comment on column public.operators.role is 'viewer reads, operator also acts, admiral also decides about the platform.';
comment on column public.operators.granted_by is 'The database role that granted it: postgres from the SQL editor.';
comment on column public.operators.granted_at is 'When this role was granted.';

alter table public.operators enable row level security;
revoke all on public.operators from public, anon, authenticated, service_role;
grant select on public.operators to service_role;

create function private.stamp_role() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.granted_by := session_user;
  new.granted_at := now();
  return new;
end $$;
comment on function private.stamp_role() is 'Trigger: who grants a role and when is not for the statement to say.';
revoke execute on function private.stamp_role() from public, anon, authenticated, service_role;

create trigger operators_are_stamped before insert or update on public.operators
  for each row execute function private.stamp_role();
comment on trigger operators_are_stamped on public.operators is 'Whoever changes a role has granted it.';

create function private.audit_role() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'TRUNCATE' then
    delete from public.operators;
  elsif new.user_id <> old.user_id then
    raise exception using errcode = 'PT422', hint = 'role.not_transferable',
      message = format('The role of user %s cannot become another user''s. Delete the row, and insert one for the other user.', old.user_id);
  elsif new.role is distinct from old.role then
    perform private.audit('operators', session_user,
      case tg_op when 'INSERT' then 'role.granted' when 'UPDATE' then 'role.changed' else 'role.revoked' end,
      'user:' || coalesce(new.user_id, old.user_id), coalesce(new.role, 'none'),
      jsonb_build_object('role', new.role, 'previous_role', old.role), 'decision');
  end if;
  return null;
end $$;
comment on function private.audit_role() is 'Trigger: every role that is granted, changed or revoked becomes an entry of the audit log.';
revoke execute on function private.audit_role() from public, anon, authenticated, service_role;

create trigger operators_are_audited after insert or update or delete on public.operators
  for each row execute function private.audit_role();
comment on trigger operators_are_audited on public.operators is 'Who could do what, and when, can be told later.';
create trigger operators_are_audited_at_once before truncate on public.operators
  for each statement execute function private.audit_role();
comment on trigger operators_are_audited_at_once on public.operators is 'TRUNCATE fires no row triggers.';

create function public.my_role() returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    -- As text, because the ids of another issuer's users need not be UUIDs.
    select o.role from public.operators o
    where o.user_id::text = nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  );
end $$;
comment on function public.my_role() is 'The role of the user who asks, or null.';
revoke execute on function public.my_role() from public, anon, authenticated, service_role;
grant execute on function public.my_role() to authenticated, service_role;

create function private.has_role(p_role text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
declare
  v_roles constant text[] := array['viewer', 'operator', 'admiral'];
  v_needed integer := array_position(v_roles, p_role);
begin
  if v_needed is null then
    raise exception using errcode = 'PT500', hint = 'role.unknown',
      message = format('There is no role "%s": it is viewer, operator or admiral.', p_role);
  end if;
  return coalesce(array_position(v_roles, public.my_role()) >= v_needed, false);
end $$;
comment on function private.has_role(text) is 'True when the user who asks has this role or a greater one; raises role.unknown for one that does not exist.';
revoke execute on function private.has_role(text) from public, anon, authenticated, service_role;
