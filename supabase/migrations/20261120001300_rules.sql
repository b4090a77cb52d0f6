-- Rules with all their versions: a condition on events, and what is done when it is true.

create table public.rules (
  id text primary key,
  name text not null,
  status text not null default 'active',
  priority integer not null default 0,
  condition jsonb not null,
  action jsonb not null,
  mode text not null default 'all',
  cooldown_seconds integer not null default 0,
  max_fires_per_hour integer default 1000,
  version integer not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  updated_by text not null,
  constraint rules_id_has_1_to_100_plain_characters check (id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$'),
  constraint rules_name_has_1_to_200_characters check (char_length(name) between 1 and 200),
  constraint rules_status_is_active_paused_or_archived check (status in ('active', 'paused', 'archived')),
  constraint rules_mode_is_all_or_first_match check (mode in ('all', 'first_match')),
  constraint rules_cooldown_is_not_negative check (cooldown_seconds >= 0),
  constraint rules_fire_at_least_once_an_hour check (max_fires_per_hour >= 1),
  constraint rules_have_at_most_256_kb check (octet_length(condition::text) + octet_length(action::text) <= 262144)
);
comment on table public.rules is 'What is done when an event fulfils a condition. People may change rows here: triggers check them and keep every version.';
comment on column public.rules.id is 'Chosen by whoever made the rule.';
comment on column public.rules.name is 'What people call it.';
comment on column public.rules.status is 'active: it is evaluated. paused: not now. archived: not any more.';
comment on column public.rules.priority is 'Rules of greater priority come first, then by id.';
comment on column public.rules.condition is 'A leaf {field, operator, value} or a group {logic, conditions}.';
comment on column public.rules.action is 'One action or a list of up to ten: {type: anchor, webhook, plugin_emit or ledger_allocate, …}.';
comment on column public.rules.mode is 'first_match: when it matches, the rules behind it are not evaluated.';
comment on column public.rules.cooldown_seconds is 'After a firing, matches are suppressed for so long.';
comment on column public.rules.max_fires_per_hour is 'Further matches within an hour are suppressed; null: no limit.';
comment on column public.rules.version is 'Grows by one with every change.';
comment on column public.rules.created_at is 'When it was created.';
comment on column public.rules.updated_at is 'When it was last changed.';
comment on column public.rules.updated_by is 'Who changed it last.';

create index rules_active_idx on public.rules (id) where status = 'active';
comment on index public.rules_active_idx is 'The rules that are evaluated, and whether there is any.';

create table public.rule_versions (
  rule_id text not null,
  version integer not null,
  name text not null,
  status text not null,
  priority integer not null,
  condition jsonb not null,
  action jsonb not null,
  mode text not null,
  cooldown_seconds integer not null,
  max_fires_per_hour integer,
  change text not null,
  changed_by text not null,
  changed_at timestamptz not null,
  constraint rule_versions_pkey primary key (rule_id, version),
  constraint rule_versions_belong_to_a_rule foreign key (rule_id) references public.rules (id),
  constraint rule_versions_change_is_known check (change in ('created', 'changed', 'paused', 'activated', 'archived', 'rolled_back'))
);
comment on table public.rule_versions is 'Every version of every rule; written by the trigger on rules and never changed.';
comment on column public.rule_versions.rule_id is 'The rule.';
comment on column public.rule_versions.version is '1, 2, 3 ... for each rule.';
comment on column public.rule_versions.name is 'As in rules, then.';
comment on column public.rule_versions.status is 'As in rules, then.';
comment on column public.rule_versions.priority is 'As in rules, then.';
comment on column public.rule_versions.condition is 'As in rules, then.';
comment on column public.rule_versions.action is 'As in rules, then.';
comment on column public.rule_versions.mode is 'As in rules, then.';
comment on column public.rule_versions.cooldown_seconds is 'As in rules, then.';
comment on column public.rule_versions.max_fires_per_hour is 'As in rules, then.';
comment on column public.rule_versions.change is 'created, changed, paused, activated, archived or rolled_back.';
comment on column public.rule_versions.changed_by is 'Who made this version.';
comment on column public.rule_versions.changed_at is 'When it was made.';

create table private.rule_set (
  id boolean primary key default true,
  version bigint not null default 0,
  constraint rule_set_has_one_row check (id)
);
comment on table private.rule_set is 'One row. Whoever changes rules holds it until the end, so that a version is visible with all its changes.';
comment on column private.rule_set.id is 'Always true.';
comment on column private.rule_set.version is 'Grows with every change of any rule.';
insert into private.rule_set default values;

alter table public.rules enable row level security;
alter table public.rule_versions enable row level security;
alter table private.rule_set enable row level security;
revoke all on public.rules, public.rule_versions, private.rule_set from public, anon, authenticated, service_role;
grant select on public.rules, public.rule_versions to service_role;

create function private.action_errors(p_action jsonb) returns text[]
language plpgsql immutable set search_path = '' as $$
declare
  v_actions jsonb := case jsonb_typeof(p_action) when 'array' then p_action else jsonb_build_array(p_action) end;
begin
  if jsonb_array_length(v_actions) not between 1 and 10 then
    return array[format('action has %s actions; give 1 to 10', jsonb_array_length(v_actions))];
  end if;
  return array(
    select format('action%s must be an object whose type is anchor, webhook, plugin_emit or ledger_allocate',
      case when jsonb_typeof(p_action) = 'array' then format('[%s]', a.position - 1) end)
    from jsonb_array_elements(v_actions) with ordinality a (action, position)
    where jsonb_typeof(a.action) is distinct from 'object'
      or coalesce(a.action ->> 'type', '') not in ('anchor', 'webhook', 'plugin_emit', 'ledger_allocate')
    order by a.position);
end $$;
comment on function private.action_errors(jsonb) is 'What is wrong with a rule''s action or list of actions, one sentence each.';

create function private.check_rule() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_errors text[];
begin
  if tg_op = 'UPDATE' and (old.id, old.name, old.status, old.priority, old.condition, old.action, old.mode, old.cooldown_seconds, old.max_fires_per_hour)
    is not distinct from (new.id, new.name, new.status, new.priority, new.condition, new.action, new.mode, new.cooldown_seconds, new.max_fires_per_hour)
  then
    return old;
  end if;
  v_errors := private.condition_errors(new.condition) || private.action_errors(new.action);
  if v_errors <> '{}' then
    raise exception using errcode = 'PT422', hint = 'rule.invalid',
      message = format('Rule "%s" was not saved: %s.', new.id, array_to_string(v_errors, '; '));
  end if;
  new.version := case tg_op when 'INSERT' then 1 else old.version + 1 end;
  new.created_at := case tg_op when 'INSERT' then now() else old.created_at end;
  new.updated_at := now();
  new.updated_by := coalesce(nullif(current_setting('rules.actor', true), ''), session_user);
  return new;
end $$;
comment on function private.check_rule() is
  'Trigger: refuses a rule whose condition or action is wrong with rule.invalid, and numbers the change; what changes nothing is no change.';

create function private.record_rules() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  with recorded as (
    insert into public.rule_versions as v (
      rule_id, version, name, status, priority, condition, action, mode, cooldown_seconds, max_fires_per_hour, change, changed_by, changed_at)
    select r.id, r.version, r.name, r.status, r.priority, r.condition, r.action, r.mode, r.cooldown_seconds, r.max_fires_per_hour,
      case
        when r.version = 1 then 'created'
        when current_setting('rules.rolling_back', true) = 'yes' then 'rolled_back'
        when r.status = before.status then 'changed'
        when r.status = 'active' then 'activated'
        else r.status
      end, r.updated_by, r.updated_at
    from changed r left join public.rule_versions before on before.rule_id = r.id and before.version = r.version - 1
    where not exists (select from public.rule_versions k where k.rule_id = r.id and k.version = r.version)
    returning v.*
  ), audited as (
    insert into public.audit_log (subsystem, kind, actor, action, resource, result, payload)
    select 'rules', 'decision', r.changed_by, 'rule.' || r.change, 'rule:' || r.rule_id, r.status, jsonb_build_object('name', r.name, 'version', r.version)
    from recorded r order by r.rule_id
  )
  update private.rule_set s set version = s.version + 1 where exists (select from recorded);
  return null;
end $$;
comment on function private.record_rules() is 'Trigger: keeps the new versions, writes them to the audit log, and makes functions load the rules again.';

create function private.refuse_rule_deletion() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  raise exception using errcode = 'PT409', hint = 'rule.archive_instead',
    message = 'Rules are not deleted, as what they did stays on record. Archive them instead: set status to archived.';
end $$;
comment on function private.refuse_rule_deletion() is 'Trigger: refuses DELETE and TRUNCATE with rule.archive_instead.';

create function private.refuse_rule_version() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  raise exception using errcode = 'PT403', hint = 'rule.version_refused',
    message = 'Versions are written when a rule changes. Change the rule instead.';
end $$;
comment on function private.refuse_rule_version() is 'Trigger: refuses versions that do not come from a change of a rule.';

create trigger rules_check before insert or update on public.rules for each row execute function private.check_rule();
comment on trigger rules_check on public.rules is 'Checks and numbers every change, whoever makes it.';
create trigger rules_record_insert after insert on public.rules
  referencing new table as changed for each statement execute function private.record_rules();
comment on trigger rules_record_insert on public.rules is 'Keeps the first versions.';
create trigger rules_record_update after update on public.rules
  referencing new table as changed for each statement execute function private.record_rules();
comment on trigger rules_record_update on public.rules is 'Keeps the new versions.';
create trigger rules_stay before delete or truncate on public.rules for each statement execute function private.refuse_rule_deletion();
comment on trigger rules_stay on public.rules is 'Rules are archived, not deleted.';
create trigger rule_versions_come_from_rules before insert on public.rule_versions
  for each statement when (pg_trigger_depth() = 0) execute function private.refuse_rule_version();
comment on trigger rule_versions_come_from_rules on public.rule_versions is 'Only the trigger on rules writes versions.';
create trigger rule_versions_guard before update or delete or truncate on public.rule_versions
  for each statement execute function private.refuse_change('rule_versions');
comment on trigger rule_versions_guard on public.rule_versions is 'Versions never change.';

revoke execute on function private.action_errors(jsonb), private.check_rule(), private.record_rules(), private.refuse_rule_deletion(),
  private.refuse_rule_version() from public, anon, authenticated, service_role;
