-- What runs by the clock, how that goes, and the one way from SQL to an Edge Function.

create function private.cron_values(p_field text, p_low integer, p_high integer) returns integer[]
language plpgsql immutable strict set search_path = '' as $$
declare
  v_part text;
  v_match text[];
  v_from integer;
  v_to integer;
  v_values integer[] := '{}'::integer[];
begin
  foreach v_part in array string_to_array(p_field, ',') loop
    v_match := regexp_match(v_part, '^(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([1-9][0-9]?))?$');
    v_from := coalesce(v_match[1]::integer, p_low);
    v_to := coalesce(v_match[2]::integer, case when v_match[1] is null or v_match[3] is not null then p_high else v_from end);
    if v_match is null or v_from < p_low or v_to > p_high or v_from > v_to then
      return null;
    end if;
    v_values := v_values || array(select generate_series(v_from, v_to, coalesce(v_match[3]::integer, 1)));
  end loop;
  return v_values;
end $$;
comment on function private.cron_values(text, integer, integer) is
  'The numbers that a field of a cron expression stands for, between the lowest and highest that it may have; null: it cannot be read.';
revoke execute on function private.cron_values(text, integer, integer) from public, anon, authenticated, service_role;

create function private.longest_gap(p_values integer[], p_cycle integer) returns integer
language plpgsql immutable set search_path = '' as $$
begin
  return (
    select max(coalesce(lead, first + p_cycle) - value)
    from (select v as value, lead(v) over (order by v), min(v) over () as first from (select distinct unnest(p_values) % p_cycle) d (v)) g);
end $$;
comment on function private.longest_gap(integer[], integer) is 'The longest way from one of the numbers to the next, round a cycle: of 0 and 45 in 60 it is 45.';
revoke execute on function private.longest_gap(integer[], integer) from public, anon, authenticated, service_role;

create function private.timer_period(p_schedule text) returns interval
language plpgsql immutable set search_path = '' as $$
declare
  v_field text[] := regexp_split_to_array(btrim(p_schedule), '\s+');
  v_minutes integer := private.longest_gap(private.cron_values(v_field[1], 0, 59), 60);
  v_hours integer := private.longest_gap(private.cron_values(v_field[2], 0, 23), 24);
  v_days integer := private.longest_gap(private.cron_values(v_field[3], 1, 31), 31);
  v_months integer := private.longest_gap(private.cron_values(v_field[4], 1, 12), 12);
  v_weekdays integer := private.longest_gap(private.cron_values(v_field[5], 0, 7), 7);
begin
  if v_minutes is null or v_hours is null or v_days is null or v_months is null or v_weekdays is null then
    return null;
  end if;
  return case
    when v_months > 1 then make_interval(days => 31 * v_months)
    -- With both restricted, cron runs on the days of either.
    when v_days > 1 or v_weekdays > 1 then make_interval(days => least(nullif(v_days, 1), nullif(v_weekdays, 1)))
    when v_hours > 1 then make_interval(hours => v_hours)
    else make_interval(mins => v_minutes)
  end;
end $$;
comment on function private.timer_period(text) is
  'The longest time between two turns of a five-field cron expression, rounded up to the unit that it restricts; null: it cannot be read (names of days and months cannot).';
revoke execute on function private.timer_period(text) from public, anon, authenticated, service_role;

create table public.timers (
  name text primary key,
  schedule text not null,
  command text not null,
  enabled boolean not null default true,
  description text not null,
  period interval generated always as (private.timer_period(schedule)) stored,
  installed_at timestamptz not null default now(),
  started_at timestamptz,
  succeeded_at timestamptz,
  last_error text,
  constraint timers_name_is_kebab_case check (name ~ '^[a-z][a-z0-9-]*$'),
  constraint timers_schedule_has_five_fields check (array_length(regexp_split_to_array(schedule, '\s+'), 1) = 5)
);
comment on table public.timers is 'Commands that run by the clock: as pg_cron jobs where pg_cron is installed, elsewhere by the local stack. A change of a row is taken over at once.';
comment on column public.timers.name is 'Name of the pg_cron job.';
comment on column public.timers.schedule is 'Five-field cron expression, UTC.';
comment on column public.timers.command is 'SQL that is safe to run twice and safe to be skipped; several statements are one transaction.';
comment on column public.timers.enabled is 'False removes the job.';
comment on column public.timers.description is 'What it is for.';
comment on column public.timers.period is 'The longest time between two turns; null: the schedule cannot be read.';
comment on column public.timers.installed_at is 'Since when it runs as it is; a first success is expected from there.';
comment on column public.timers.started_at is 'When its last turn began, noted a minute late where pg_cron runs it; null: it has not.';
comment on column public.timers.succeeded_at is 'When a turn last did all it had to, written in the turn''s own transaction; null: none did.';
comment on column public.timers.last_error is 'Why its last turn failed; null: it did not.';

alter table public.timers enable row level security;
revoke all on public.timers from public, anon, authenticated, service_role;
grant select on public.timers to service_role;

create function private.timer_command(p_timer public.timers) returns text
language plpgsql stable set search_path = '' as $$
begin
  return format(E'%s;\nselect private.timer_succeeded(%L)', p_timer.command, p_timer.name);
end $$;
comment on function private.timer_command(public.timers) is
  'What is run when a timer is due. One transaction, so that a success is noted if and only if the command is committed; without transaction control, which pg_cron''s background workers refuse.';
revoke execute on function private.timer_command(public.timers) from public, anon, authenticated, service_role;

create function private.timer_succeeded(p_name text) returns void
language plpgsql set search_path = '' as $$
begin
  update public.timers t set succeeded_at = clock_timestamp(), last_error = null where t.name = p_name;
end $$;
comment on function private.timer_succeeded(text) is 'The last thing a timer does.';
revoke execute on function private.timer_succeeded(text) from public, anon, authenticated, service_role;

create function private.start_timer(p_name text) returns text
language plpgsql set search_path = '' as $$
declare
  v_timer public.timers;
begin
  update public.timers t set started_at = clock_timestamp() where t.name = p_name and t.enabled returning * into v_timer;
  return case when found then private.timer_command(v_timer) end;
end $$;
comment on function private.start_timer(text) is
  'For what runs timers where pg_cron is not: notes that a turn begins and returns what to run; null: the timer is gone or disabled.';
revoke execute on function private.start_timer(text) from public, anon, authenticated, service_role;

create function private.timer_failed(p_name text, p_error text) returns void
language plpgsql set search_path = '' as $$
begin
  update public.timers t set last_error = left(p_error, 500) where t.name = p_name;
end $$;
comment on function private.timer_failed(text, text) is 'For what runs timers where pg_cron is not: a turn failed.';
revoke execute on function private.timer_failed(text, text) from public, anon, authenticated, service_role;

create function private.on_timers() returns trigger
language plpgsql set search_path = '' as $$
begin
  if to_regclass('cron.job') is null then
    perform pg_notify('timers', '');
  else
    if tg_op = 'DELETE' or tg_op = 'UPDATE' and (not new.enabled or new.name <> old.name) then
      execute 'select cron.unschedule(jobid) from cron.job where jobname = $1' using old.name;
    end if;
    if tg_op <> 'DELETE' and new.enabled then
      execute 'select cron.schedule($1, $2, $3)' using new.name, new.schedule, private.timer_command(new);
    end if;
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;
  new.installed_at := now();
  return new;
end $$;
comment on function private.on_timers() is 'Takes a change over: into a pg_cron job, or by a notification to the local stack.';
revoke execute on function private.on_timers() from public, anon, authenticated, service_role;
create trigger timers_are_installed before insert or delete or update of name, schedule, command, enabled on public.timers
  for each row execute function private.on_timers();
comment on trigger timers_are_installed on public.timers is 'The table and the jobs are never different.';

create function private.install_timers() returns integer
language plpgsql set search_path = '' as $$
begin
  update public.timers t set enabled = t.enabled;
  return case when to_regclass('cron.job') is null then 0 else (select count(*) from public.timers t where t.enabled) end;
end $$;
comment on function private.install_timers() is
  'Makes every enabled timer a pg_cron job and removes the disabled ones, for a project that got pg_cron after its timers; returns how many are installed, 0 without pg_cron. Safe to repeat.';
revoke execute on function private.install_timers() from public, anon, authenticated, service_role;

create view public.timer_status with (security_invoker = true) as
select t.name, t.schedule, t.enabled, t.period, t.started_at, t.succeeded_at, l.late_by,
  case when not t.enabled then 'disabled' when l.late_by is not null then 'late'
    when t.period is null or t.succeeded_at is null then 'unknown' else 'on_time' end as state,
  t.last_error
from public.timers t cross join lateral (
  select greatest(t.succeeded_at, t.installed_at) + 2 * t.period + interval '2 minutes' as late_after
) a cross join lateral (
  select case when t.enabled and a.late_after < now() then now() - a.late_after end as late_by
) l
order by t.name;
comment on view public.timer_status is
  'How timers go. Late: no success for two periods and two minutes, whether it fails, hangs, or is never begun.';
comment on column public.timer_status.name is 'The timer.';
comment on column public.timer_status.schedule is 'Five-field cron expression, UTC.';
comment on column public.timer_status.enabled is 'Whether it is to run.';
comment on column public.timer_status.period is 'The longest time between two turns; null: the schedule cannot be read.';
comment on column public.timer_status.started_at is 'When its last turn began; null: it has not.';
comment on column public.timer_status.succeeded_at is 'When it last succeeded; null: it never did.';
comment on column public.timer_status.late_by is 'How long ago a success should have come at the latest; null: it is not late.';
comment on column public.timer_status.state is 'on_time, late, disabled, or unknown: it has not succeeded yet and need not have, or its schedule cannot be read.';
comment on column public.timer_status.last_error is 'Why its last turn failed; null: it did not.';
revoke all on public.timer_status from public, anon, authenticated, service_role;
grant select on public.timer_status to service_role;

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
