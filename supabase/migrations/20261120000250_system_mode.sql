-- The mode of the whole platform: normal, or safe, in which nothing writes. Changing it is a barrier: once the change is
-- committed, no write that began under the former mode commits any more.

create extension if not exists pgcrypto with schema extensions;

create table public.system_mode (
  id integer primary key default 1,
  mode text not null default 'normal',
  reason text,
  changed_by text not null default session_user,
  actor text not null default session_user,
  changed_at timestamptz not null default now(),
  automatic boolean not null default false,
  override_token text,
  failed_attempts integer not null default 0,
  constraint system_mode_is_one_row check (id = 1),
  constraint system_mode_is_known check (mode in ('normal', 'safe')),
  constraint system_mode_reason_is_short check (length(reason) <= 1000)
);
comment on table public.system_mode is 'One row: whether the platform is in safe mode. People may change it by hand, too.';
comment on column public.system_mode.id is 'Always 1.';
comment on column public.system_mode.mode is 'normal or safe: guarded tables and write endpoints refuse writes, outbound actions wait.';
comment on column public.system_mode.reason is 'Why it was changed last.';
comment on column public.system_mode.changed_by is 'Who changed it last, as he named himself; the database role when it was done by hand.';
comment on column public.system_mode.actor is 'Who that was, as far as it was checked: user:<uuid>, key:<name>, system, or a database role.';
comment on column public.system_mode.changed_at is 'When it was changed last.';
comment on column public.system_mode.automatic is 'Whether the health score entered safe mode; it leaves only what it entered itself.';
comment on column public.system_mode.override_token is 'What leave_safe_mode asks for, once. Set it in plain text: only a slow salted hash is stored.';
comment on column public.system_mode.failed_attempts is 'Refused attempts since the token was set; from five on none is looked at.';
insert into public.system_mode default values;

alter table public.system_mode enable row level security;
revoke all on public.system_mode from public, anon, authenticated, service_role;
grant select (id, mode, reason, changed_by, actor, changed_at, automatic, failed_attempts) on public.system_mode to service_role;

-- Locks of whole tables are granted in the order of asking, so that a change of the mode waits for the writers that came
-- before it and for no others. Locks of the mode's row are not: writers who share it let further ones in, and the change
-- may wait for ever. They also cost a multixact each.
create table private.write_barrier (
  id integer primary key default 1,
  constraint write_barrier_is_one_row check (id = 1)
);
comment on table private.write_barrier is 'Only there to be locked: a transaction that writes to a guarded table shares a lock on it until its end, a change of the mode wants it alone.';
comment on column private.write_barrier.id is 'Always 1.';
insert into private.write_barrier default values;
alter table private.write_barrier enable row level security;
revoke all on private.write_barrier from public, anon, authenticated, service_role;

create function private.is_safe_mode() returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (select m.mode <> 'normal' from public.system_mode m where m.id = 1);
end $$;
comment on function private.is_safe_mode() is 'The mode as it is, without waiting for a change that is under way; for gates.';

create function private.refuse_in_safe_mode() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_mode text;
begin
  lock table private.write_barrier in row share mode;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    -- Sees the mode as it was when the transaction began; the lock fails (40001) when it was changed since.
    select m.mode into v_mode from public.system_mode m where m.id = 1 for share;
  else
    select m.mode into v_mode from public.system_mode m where m.id = 1;
  end if;
  if v_mode is distinct from 'normal' then
    raise exception using errcode = 'PT503', hint = 'safe_mode.active',
      message = format('%s on %s is refused: the platform is in safe mode. Try again when safe mode was left.', tg_op, tg_relid::regclass);
  end if;
  return null;
end $$;
comment on function private.refuse_in_safe_mode() is 'Trigger: refuses the statement in safe mode with safe_mode.active; otherwise changes of the mode wait for its transaction.';

create function private.wait_for_writers() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '5s' as $$
declare
  v_writers text;
begin
  -- Shorter than what the API's roles are given (8 s), so that people hear why.
  lock table private.write_barrier in exclusive mode;
  return null;
exception when lock_not_available then
  select string_agg(coalesce('process ' || l.pid, 'prepared transaction ' || p.gid), ', ' order by l.pid, p.gid) into v_writers
  from pg_catalog.pg_locks l left join pg_catalog.pg_prepared_xacts p on l.virtualtransaction = '-1/' || p.transaction
  where l.relation = 'private.write_barrier'::regclass and l.granted;
  raise exception using errcode = 'PT503', hint = 'safe_mode.writers_in_flight', message = format(
    'The mode is not changed: after 5 seconds, transactions that write to guarded tables had still not ended (%s). Try again, or end them first by pg_terminate_backend(process) or ROLLBACK PREPARED.',
    coalesce(v_writers, 'they have ended by now'));
end $$;
comment on function private.wait_for_writers() is
  'Trigger: waits until the transactions that wrote to guarded tables have ended, and holds new ones back until this one has; after 5 s raises safe_mode.writers_in_flight.';

create function private.keep_mode() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = 'PT422', hint = 'safe_mode.row_needed',
    message = format('%s on system_mode is refused: without its row nothing could be written. Change its column mode instead.', tg_op);
end $$;
comment on function private.keep_mode() is 'Trigger: refuses to remove the mode, with safe_mode.row_needed.';

create function private.stamp_mode() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- The functions below say when they change it; a person at the SQL editor says only what.
  if new.changed_at = old.changed_at then
    new.changed_by := session_user;
    new.actor := session_user;
    new.automatic := false;
    if new.reason is not distinct from old.reason then
      new.reason := null;
    end if;
  end if;
  new.changed_at := clock_timestamp();
  return new;
end $$;
comment on function private.stamp_mode() is 'Trigger: a change by hand carries the name of the database role and a time, too.';

create function private.digest_of_token(p_token text) returns text
language sql immutable set search_path = '' as $$
  select encode(sha256(convert_to(p_token, 'UTF8')), 'hex');
$$;
comment on function private.digest_of_token(text) is 'What of a token goes into bcrypt, which takes the first 72 bytes only.';

create function private.hash_token() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if length(trim(new.override_token)) < 8 then
    raise exception using errcode = 'PT422', hint = 'safe_mode.token_too_short',
      message = 'The override token is not set: it has fewer than 8 characters. Choose a longer one.';
  end if;
  new.override_token := extensions.crypt(private.digest_of_token(new.override_token), extensions.gen_salt('bf', 12));
  new.failed_attempts := 0;
  return new;
end $$;
comment on function private.hash_token() is 'Trigger: keeps a salted bcrypt hash of the token only, and begins to count attempts anew; raises safe_mode.token_too_short.';

create function private.record_mode() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_facts jsonb := jsonb_build_object('reason', new.reason, 'changed_by', new.changed_by,
    'automatic', case new.mode when 'safe' then new.automatic else old.automatic end);
begin
  if new.mode <> old.mode or new.automatic <> old.automatic then
    perform private.audit('system-mode', new.actor,
      case when new.mode = old.mode then 'safe_mode.taken_over' when new.mode = 'safe' then 'safe_mode.entered' else 'safe_mode.left' end,
      'system-mode', new.mode, v_facts, 'decision');
  end if;
  if new.mode <> old.mode then
    perform private.tell(case new.mode when 'safe' then 'safe_mode_on' else 'safe_mode_off' end, 'safe_mode:' || gen_random_uuid(), v_facts);
  end if;
  if new.override_token is distinct from old.override_token and new.override_token is not null then
    perform private.audit('system-mode', session_user, 'override_token.set', 'system-mode', 'set', '{}', 'decision');
  end if;
  return null;
end $$;
comment on function private.record_mode() is 'Trigger: every change of the mode and every new token becomes an entry of the audit log; people are told of the mode.';

create trigger writers_are_waited_for before update of mode on public.system_mode
  for each statement execute function private.wait_for_writers();
comment on trigger writers_are_waited_for on public.system_mode is 'Whoever changes the mode, by hand or by a function, is a barrier.';
create trigger the_mode_stays before delete or truncate on public.system_mode
  for each statement execute function private.keep_mode();
comment on trigger the_mode_stays on public.system_mode is 'A mode that is missing would be neither safe nor normal.';
create trigger changes_are_stamped before update on public.system_mode
  for each row when (new.mode <> old.mode) execute function private.stamp_mode();
comment on trigger changes_are_stamped on public.system_mode is 'A change by hand has an author and a time.';
create trigger tokens_are_hashed before update on public.system_mode
  for each row when (new.override_token is distinct from old.override_token) execute function private.hash_token();
comment on trigger tokens_are_hashed on public.system_mode is 'No token is stored in plain text.';
create trigger changes_are_recorded after update on public.system_mode
  for each row execute function private.record_mode();
comment on trigger changes_are_recorded on public.system_mode is 'Who changed the mode, when and why can be told later.';
alter table public.system_mode enable always trigger writers_are_waited_for, enable always trigger the_mode_stays,
  enable always trigger changes_are_stamped, enable always trigger tokens_are_hashed, enable always trigger changes_are_recorded;

create function public.read_system_mode() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select jsonb_build_object(
      'mode', m.mode, 'safeMode', m.mode = 'safe', 'reason', m.reason, 'changed_by', m.changed_by, 'changed_at', m.changed_at, 'automatic', m.automatic,
      'override_token_set', m.override_token is not null, 'attempts_left', greatest(0, 5 - m.failed_attempts))
    from public.system_mode m where m.id = 1);
end $$;
comment on function public.read_system_mode() is 'The mode, why and by whom it was changed, and whether an override token is set; never the token.';

create function public.enter_safe_mode(p_reason text, p_enabled_by text, p_actor text, p_automatic boolean default false) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_changed boolean := false;
begin
  if not private.is_safe_mode() then
    update public.system_mode m
    set mode = 'safe', reason = p_reason, changed_by = p_enabled_by, actor = p_actor, automatic = p_automatic, changed_at = clock_timestamp()
    where m.mode = 'normal';
    v_changed := found;
  end if;
  -- Also when the health score was faster a moment ago: what a person wants safe, the health score does not leave.
  if not v_changed and not p_automatic then
    update public.system_mode m
    set reason = p_reason, changed_by = p_enabled_by, actor = p_actor, automatic = false, changed_at = clock_timestamp()
    where m.mode = 'safe' and m.automatic;
  end if;
  return public.read_system_mode() || jsonb_build_object('changed', v_changed);
end $$;
comment on function public.enter_safe_mode(text, text, text, boolean) is
  'Enters safe mode, or makes one that was automatic a person''s; returns the mode and changed: whether it was normal before. Raises safe_mode.writers_in_flight.';

create function public.leave_safe_mode(p_override_token text, p_disabled_by text, p_actor text) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '10s' as $$
declare
  v_mode public.system_mode;
  v_problem text;
begin
  -- One guess at a time, so that all are counted; not by the mode's row, which others need while bcrypt takes its time.
  perform pg_advisory_xact_lock(hashtextextended('leave_safe_mode', 0));
  select m.* into v_mode from public.system_mode m where m.id = 1;
  v_problem := case
    when v_mode.mode <> 'safe' then 'not_active'
    when v_mode.override_token is null then 'token_missing'
    when v_mode.failed_attempts >= 5 then 'token_blocked'
    when extensions.crypt(private.digest_of_token(p_override_token), v_mode.override_token) is distinct from v_mode.override_token then 'token_wrong'
  end;
  if v_problem is null then
    update public.system_mode m
    set mode = 'normal', reason = 'Left with the override token', changed_by = p_disabled_by, actor = p_actor, automatic = false,
        changed_at = clock_timestamp(), override_token = null
    where m.mode = 'safe' and m.override_token = v_mode.override_token;
    if found then
      return public.read_system_mode() || '{"left": true}';
    end if;
    v_problem := 'token_wrong';
  end if;
  return private.refuse_to_leave(v_problem, p_disabled_by, p_actor);
end $$;
comment on function public.leave_safe_mode(text, text, text) is
  'Leaves safe mode and uses the override token up: {left: true} and the mode. Otherwise {left: false, code, message, attempts_left}, and no error, as the count of attempts would be lost with it: safe_mode.token_wrong, token_blocked, token_missing, not_active. Raises safe_mode.writers_in_flight.';

create function private.refuse_to_leave(p_problem text, p_disabled_by text, p_actor text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_left integer;
begin
  if p_problem in ('token_wrong', 'token_blocked') then
    update public.system_mode m set failed_attempts = m.failed_attempts + 1;
  end if;
  v_left := (public.read_system_mode() ->> 'attempts_left')::integer;
  perform private.audit('system-mode', p_actor, 'safe_mode.leave_refused', 'system-mode', p_problem,
    jsonb_build_object('disabled_by', p_disabled_by, 'attempts_left', v_left), 'error');
  return jsonb_build_object('left', false, 'code', 'safe_mode.' || p_problem, 'attempts_left', v_left, 'message', case p_problem
    when 'not_active' then 'The platform is not in safe mode, so there is nothing to leave.'
    when 'token_missing' then 'No override token is set. Set one in the SQL editor: update system_mode set override_token = ''...'' where id = 1.'
    when 'token_blocked' then 'The override token is blocked after five wrong attempts. Set a new one in the SQL editor.'
    else format('This is not the override token. %s attempts are left, then a new token must be set.', v_left) end);
end $$;
comment on function private.refuse_to_leave(text, text, text) is 'Counts and records an attempt to leave safe mode that failed; what leave_safe_mode answers.';

create function private.leave_safe_mode_automatically(p_reason text) returns boolean
language plpgsql set search_path = '' as $$
begin
  if not exists (select from public.system_mode m where m.mode = 'safe' and m.automatic) then
    return false;
  end if;
  update public.system_mode m
  set mode = 'normal', reason = p_reason, changed_by = 'the health score', actor = 'system', automatic = false, changed_at = clock_timestamp()
  where m.mode = 'safe' and m.automatic;
  return found;
end $$;
comment on function private.leave_safe_mode_automatically(text) is 'Leaves safe mode if the health score entered it; whether it did.';

create function private.table_and_parts(p_table regclass) returns setof regclass
language sql stable set search_path = '' as $$
  with recursive part (id) as (
    select p_table::oid union select i.inhrelid from pg_catalog.pg_inherits i join part on i.inhparent = part.id)
  select part.id::regclass from part;
$$;
comment on function private.table_and_parts(regclass) is 'A table, its partitions and its children, which can all be written to directly.';

create function public.guard_table(p_table regclass) returns void
language plpgsql set search_path = '' as $$
declare
  v_table regclass;
begin
  if p_table::text in ('public.system_mode', 'public.audit_log', 'public.outbox') then
    raise exception using errcode = 'PT422', hint = 'safe_mode.table_needed',
      message = format('%s is not guarded: safe mode could never be left, as leaving it writes there.', p_table);
  end if;
  for v_table in select t from private.table_and_parts(p_table) t loop
    execute format('create or replace trigger aa_safe_mode before insert or update or delete or truncate on %s for each statement execute function private.refuse_in_safe_mode()', v_table);
    execute format('alter table %s enable always trigger aa_safe_mode', v_table);
    execute format('comment on trigger aa_safe_mode on %s is %L', v_table, 'Refuses writes in safe mode, before any other trigger sees them.');
  end loop;
end $$;
comment on function public.guard_table(regclass) is
  'Lets a table refuse writes in safe mode, with the partitions and children that it has; repeat it when it gets further ones. For its owner. Raises safe_mode.table_needed.';

create function public.unguard_table(p_table regclass) returns void
language plpgsql set search_path = '' set client_min_messages = 'warning' as $$
declare
  v_table regclass;
begin
  for v_table in select t from private.table_and_parts(p_table) t loop
    execute format('drop trigger if exists aa_safe_mode on %s', v_table);
  end loop;
end $$;
comment on function public.unguard_table(regclass) is 'Lets a table take writes in safe mode again. For its owner.';

create view public.guarded_tables with (security_invoker = on) as
select t.tgrelid::regclass::text as table_name, t.tgenabled = 'A' as holds
from pg_catalog.pg_trigger t where t.tgfoid = 'private.refuse_in_safe_mode'::regproc;
comment on view public.guarded_tables is 'The tables that guard_table was called for.';
comment on column public.guarded_tables.table_name is 'With its schema, unless that is in the search path.';
comment on column public.guarded_tables.holds is 'False: somebody switched its trigger off, or lets sessions in replica mode pass.';
revoke all on public.guarded_tables from public, anon, authenticated, service_role;
grant select on public.guarded_tables to service_role;

revoke execute on function private.is_safe_mode(), private.refuse_in_safe_mode(), private.wait_for_writers(), private.keep_mode(), private.stamp_mode(),
  private.digest_of_token(text), private.hash_token(), private.record_mode(), private.refuse_to_leave(text, text, text),
  private.leave_safe_mode_automatically(text), private.table_and_parts(regclass), public.read_system_mode(),
  public.enter_safe_mode(text, text, text, boolean), public.leave_safe_mode(text, text, text), public.guard_table(regclass), public.unguard_table(regclass)
  from public, anon, authenticated, service_role;
grant execute on function public.read_system_mode(), public.enter_safe_mode(text, text, text, boolean), public.leave_safe_mode(text, text, text) to service_role;
