-- Normal, or safe: no writes. Every write to a guarded table locks the row of the mode, so that changing it is a barrier.

create extension if not exists pgcrypto with schema extensions;

create table public.system_mode (
  id integer primary key default 1,
  mode text not null default 'normal',
  reason text,
  changed_by text not null default session_user,
  changed_at timestamptz not null default now(),
  automatic boolean not null default false,
  override_token text,
  failed_attempts integer not null default 0,
  constraint system_mode_has_one_row check (id = 1),
  constraint system_mode_is_known check (mode in ('normal', 'safe')),
  constraint system_mode_failed_attempts_is_a_count check (failed_attempts >= 0)
);
comment on table public.system_mode is 'One row: the mode of the whole platform.';
comment on column public.system_mode.id is 'Always 1.';
comment on column public.system_mode.mode is 'normal, or safe: no writes.';
comment on column public.system_mode.reason is 'Why the mode was changed last.';
comment on column public.system_mode.changed_by is 'Who changed it, as he says himself; a database role when it was changed by hand.';
comment on column public.system_mode.changed_at is 'Since when this is the mode.';
comment on column public.system_mode.automatic is 'True: the health score engaged safe mode, and may end it.';
comment on column public.system_mode.override_token is 'What leaving safe mode takes; what is set here is kept as a bcrypt hash and used up by leaving.';
comment on column public.system_mode.failed_attempts is 'Wrong tokens since one was set; after five none is taken.';

alter table public.system_mode enable row level security;
revoke all on public.system_mode from public, anon, authenticated, service_role;
grant select (id, mode, reason, changed_by, changed_at, automatic, failed_attempts) on public.system_mode to service_role;

create function private.token_digest(p_token text) returns text
language sql immutable set search_path = '' as $$
  -- bcrypt looks at 72 bytes only.
  select encode(sha256(convert_to(p_token, 'UTF8')), 'base64');
$$;
comment on function private.token_digest(text) is 'What of an override token is hashed.';

create function private.keep_mode() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op in ('DELETE', 'TRUNCATE') then
    raise exception using errcode = 'PT403', hint = 'safe_mode.row_needed',
      message = 'The row of system_mode cannot be removed: without it no write could be allowed. Update it instead.';
  end if;
  if new.override_token is distinct from old.override_token then
    if length(new.override_token) < 8 then
      raise exception using errcode = 'PT422', hint = 'safe_mode.token_too_short',
        message = 'The override token was not set: it needs at least 8 characters.';
    end if;
    new.override_token := extensions.crypt(private.token_digest(new.override_token), extensions.gen_salt('bf', 12));
    new.failed_attempts := 0;
  end if;
  if new.mode <> old.mode then
    new.changed_at := now();
    if coalesce(current_setting('system_mode.actor', true), '') = '' then
      new.automatic := false;
      new.changed_by := case when new.changed_by = old.changed_by then session_user else new.changed_by end;
    end if;
  end if;
  return new;
end $$;
comment on function private.keep_mode() is 'Trigger: keeps of a token only its hash, stamps changes of the mode, and refuses to remove the row.';
create trigger system_mode_is_kept before update or delete on public.system_mode for each row execute function private.keep_mode();
comment on trigger system_mode_is_kept on public.system_mode is 'Works for updates by hand, too.';
create trigger system_mode_is_not_emptied before truncate on public.system_mode for each statement execute function private.keep_mode();
comment on trigger system_mode_is_not_emptied on public.system_mode is 'TRUNCATE fires no row triggers.';

create function private.audit_mode() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.override_token is distinct from old.override_token and new.override_token is not null then
    perform private.audit('system-mode', session_user, 'override_token.set', 'system-mode', 'set', '{}', 'decision');
  end if;
  if new.mode <> old.mode then
    perform private.audit('system-mode', coalesce(nullif(current_setting('system_mode.actor', true), ''), session_user),
      case new.mode when 'safe' then 'safe_mode.entered' else 'safe_mode.left' end, 'system-mode', new.mode,
      jsonb_build_object('reason', new.reason, 'changed_by', new.changed_by, 'automatic', case new.mode when 'safe' then new.automatic else old.automatic end), 'decision');
    perform private.tell(case new.mode when 'safe' then 'safe_mode_on' else 'safe_mode_off' end, format('system-mode:%s', gen_random_uuid()),
      jsonb_build_object('reason', new.reason, 'changed_by', new.changed_by, 'automatic', case new.mode when 'safe' then new.automatic else old.automatic end));
  end if;
  return null;
end $$;
comment on function private.audit_mode() is 'Trigger: every change of the mode is on record, and people hear of it.';
create trigger system_mode_is_audited after update on public.system_mode for each row execute function private.audit_mode();
comment on trigger system_mode_is_audited on public.system_mode is 'Works for updates by hand, too.';

insert into public.system_mode default values;

create function private.is_safe_mode() returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (select m.mode <> 'normal' from public.system_mode m where m.id = 1);
end $$;
comment on function private.is_safe_mode() is 'Whether the mode is safe, without a lock: for what is about to begin, not for what must not commit.';

create function public.read_system_mode() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select jsonb_build_object('mode', m.mode, 'safeMode', m.mode = 'safe', 'reason', m.reason, 'changed_by', m.changed_by, 'changed_at', m.changed_at,
      'automatic', m.automatic, 'override_token_set', m.override_token is not null, 'attempts_left', greatest(5 - m.failed_attempts, 0))
    from public.system_mode m where m.id = 1);
end $$;
comment on function public.read_system_mode() is
  'The mode: {mode, safeMode, reason, changed_by, changed_at, automatic, override_token_set, attempts_left}.';

create function private.change_mode(p_mode text, p_reason text, p_changed_by text, p_actor text, p_automatic boolean) returns void
language plpgsql set search_path = '' set lock_timeout = '10s' as $$
declare
  v_pids text;
begin
  perform set_config('system_mode.actor', p_actor, true);
  update public.system_mode m
  set mode = p_mode, reason = p_reason, changed_by = p_changed_by, automatic = p_automatic,
      override_token = case p_mode when 'safe' then m.override_token end
  where m.id = 1;
  perform set_config('system_mode.actor', '', true);
exception when lock_not_available then
  select string_agg(l.pid::text, ', ' order by l.pid) into v_pids
  from pg_catalog.pg_locks l where l.relation = 'public.system_mode'::regclass and l.mode = 'RowShareLock' and l.granted and l.pid <> pg_backend_pid();
  raise exception using errcode = 'PT503', hint = 'safe_mode.writers_in_flight',
    message = format('The mode was not changed: writers did not end within 10 seconds (process %s). End them, for example with pg_terminate_backend(), and try again.', v_pids);
end $$;
comment on function private.change_mode(text, text, text, text, boolean) is
  'Changes the mode when the writers under way have ended; who comes meanwhile waits. Raises safe_mode.writers_in_flight after 10 seconds.';

create function public.enter_safe_mode(p_reason text, p_enabled_by text, p_actor text, p_automatic boolean default false) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_before public.system_mode;
  v_changed boolean;
begin
  select m.* into v_before from public.system_mode m where m.id = 1;
  v_changed := v_before.mode = 'normal';
  -- What a person engages, or engages once more, only people end.
  if v_changed or (v_before.automatic and not p_automatic) then
    perform private.change_mode('safe', p_reason, p_enabled_by, p_actor, p_automatic);
  end if;
  return public.read_system_mode() || jsonb_build_object('changed', v_changed);
end $$;
comment on function public.enter_safe_mode(text, text, text, boolean) is
  'Engages safe mode: when it returns and its transaction has ended, no write to a guarded table commits. Returns read_system_mode() and changed. Raises safe_mode.writers_in_flight.';

create function private.refuse_leaving(p_code text, p_message text, p_actor text) returns jsonb
language plpgsql set search_path = '' as $$
begin
  perform private.audit('system-mode', p_actor, 'safe_mode.leave_refused', 'system-mode', p_code, '{}', 'error');
  return jsonb_build_object('left', false, 'code', p_code, 'message', p_message, 'attempts_left', (
    select greatest(5 - m.failed_attempts, 0) from public.system_mode m where m.id = 1));
end $$;
comment on function private.refuse_leaving(text, text, text) is 'Records that safe mode was not left; the answer. It raises nothing, so that a wrong token stays counted.';

create function public.leave_safe_mode(p_override_token text, p_disabled_by text, p_actor text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_mode public.system_mode;
begin
  -- One guess at a time, and no lock on the row while it is hashed: writers read that.
  perform pg_advisory_xact_lock(hashtext('system_mode.leave'));
  select m.* into v_mode from public.system_mode m where m.id = 1;
  if v_mode.mode = 'normal' then
    return private.refuse_leaving('safe_mode.not_active', 'The platform is not in safe mode.', p_actor);
  elsif v_mode.override_token is null then
    return private.refuse_leaving('safe_mode.token_missing',
      'No override token is set. Set one in the database: update system_mode set override_token = ''…'' where id = 1;', p_actor);
  elsif v_mode.failed_attempts >= 5 then
    return private.refuse_leaving('safe_mode.token_blocked',
      'Five wrong tokens were sent, so none is taken any more. Set a new one in the database.', p_actor);
  elsif extensions.crypt(private.token_digest(coalesce(p_override_token, '')), v_mode.override_token) <> v_mode.override_token then
    update public.system_mode m set failed_attempts = m.failed_attempts + 1 where m.id = 1;
    return private.refuse_leaving('safe_mode.token_wrong', 'This is not the override token.', p_actor);
  end if;
  perform private.change_mode('normal', v_mode.reason, p_disabled_by, p_actor, false);
  return public.read_system_mode() || '{"left": true}';
end $$;
comment on function public.leave_safe_mode(text, text, text) is
  'Leaves safe mode with the override token, which is used up: read_system_mode() with left = true; or {left: false, code, message, attempts_left}, code safe_mode.not_active, token_missing, token_blocked or token_wrong.';

create function private.leave_safe_mode_automatically(p_reason text) returns boolean
language plpgsql set search_path = '' as $$
begin
  if not exists (select from public.system_mode m where m.id = 1 and m.mode = 'safe' and m.automatic) then
    return false;
  end if;
  perform private.change_mode('normal', p_reason, 'health', 'system', false);
  return true;
end $$;
comment on function private.leave_safe_mode_automatically(text) is 'Ends safe mode if the health score engaged it; returns whether it did.';

create function private.refuse_in_safe_mode() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_mode text;
begin
  select m.mode into v_mode from public.system_mode m where m.id = 1 for share;
  if v_mode is distinct from 'normal' then
    raise exception using errcode = 'PT503', hint = 'safe_mode.active',
      message = format('%s on %I is refused: the platform is in safe mode, and nothing is written until people end it.', tg_op, tg_table_name);
  end if;
  return null;
end $$;
comment on function private.refuse_in_safe_mode() is
  'Trigger: refuses a write in safe mode. The lock makes changes of the mode wait for the writer''s end, and fails a writer whose snapshot is older than a change.';

create function public.guard_table(p_table regclass) returns void
language plpgsql set search_path = '' as $$
begin
  execute format('create or replace trigger refuse_in_safe_mode before insert or update or delete or truncate on %s for each statement execute function private.refuse_in_safe_mode()', p_table);
  execute format('alter table %s enable always trigger refuse_in_safe_mode', p_table);
  execute format('comment on trigger refuse_in_safe_mode on %s is %L', p_table, 'In safe mode nothing is written here.');
end $$;
comment on function public.guard_table(regclass) is 'Has safe mode refuse writes to a table, whoever writes. For the owner only; safe to repeat.';

create function public.unguard_table(p_table regclass) returns void
language plpgsql set search_path = '' as $$
begin
  execute format('drop trigger if exists refuse_in_safe_mode on %s', p_table);
end $$;
comment on function public.unguard_table(regclass) is 'Lets a table be written to in safe mode. For the owner only; safe to repeat.';

create view public.guarded_tables with (security_invoker = true) as
select t.tgrelid::regclass::text as table_name, t.tgenabled = 'A' as holds
from pg_catalog.pg_trigger t where t.tgfoid = 'private.refuse_in_safe_mode'::regproc;
comment on view public.guarded_tables is 'The tables that safe mode guards.';
comment on column public.guarded_tables.table_name is 'The table; with its schema unless the search path has it.';
comment on column public.guarded_tables.holds is 'False: somebody switched the trigger off, or lets sessions in replica mode pass.';
revoke all on public.guarded_tables from public, anon, authenticated, service_role;
grant select on public.guarded_tables to service_role;

revoke execute on function private.token_digest(text), private.keep_mode(), private.audit_mode(), private.is_safe_mode(),
  private.change_mode(text, text, text, text, boolean), private.refuse_leaving(text, text, text),
  private.leave_safe_mode_automatically(text), private.refuse_in_safe_mode() from public, anon, authenticated, service_role;
revoke execute on function public.guard_table(regclass), public.unguard_table(regclass) from public, anon, authenticated, service_role;
revoke execute on function public.read_system_mode(), public.enter_safe_mode(text, text, text, boolean), public.leave_safe_mode(text, text, text)
  from public, anon, authenticated;
grant execute on function public.read_system_mode(), public.enter_safe_mode(text, text, text, boolean), public.leave_safe_mode(text, text, text)
  to service_role;
