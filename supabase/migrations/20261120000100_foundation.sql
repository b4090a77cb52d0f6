-- The private schema for helpers, and the settings that people may change.

create schema private;
comment on schema private is 'Helpers of the self-healing platform; not reachable through the API.';
revoke all on schema private from public;

create table public.settings (
  name text primary key,
  value jsonb not null,
  description text not null,
  constraint settings_name_is_snake_case check (name ~ '^[a-z][a-z0-9_]*$')
);
comment on table public.settings is 'Numbers and switches that people may change; every row says what it does.';
comment on column public.settings.name is 'Snake case, unique.';
comment on column public.settings.value is 'JSON value, read by private.setting().';
comment on column public.settings.description is 'What the setting does and in which unit.';

alter table public.settings enable row level security;
revoke all on public.settings from public, anon, authenticated, service_role;
grant select on public.settings to service_role;

create function private.setting(p_name text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_value jsonb;
begin
  select s.value into v_value from public.settings s where s.name = p_name;
  if not found then
    raise exception using errcode = 'PT500', hint = 'setting.unknown',
      message = format('There is no setting "%s". Add the row to public.settings.', p_name);
  end if;
  return v_value;
end $$;
comment on function private.setting(text) is 'The value of a setting; raises setting.unknown when there is no such row.';
revoke execute on function private.setting(text) from public, anon, authenticated, service_role;
