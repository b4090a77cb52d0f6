-- What people and functions do with rules: create, change, roll back, read, load.

create function private.refuse_unknown_rule(p_id text) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = 'PT404', hint = 'rule.unknown',
    message = format('There is no rule "%s". Ask for the list of rules to see their ids.', p_id);
end $$;
comment on function private.refuse_unknown_rule(text) is 'Raises rule.unknown.';

create function private.rule_json(p_rule public.rules) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object('id', p_rule.id, 'name', p_rule.name, 'status', p_rule.status, 'priority', p_rule.priority,
    'condition', p_rule.condition, 'action', p_rule.action, 'mode', p_rule.mode, 'cooldownSeconds', p_rule.cooldown_seconds,
    'maxFiresPerHour', p_rule.max_fires_per_hour, 'version', p_rule.version,
    'createdAt', p_rule.created_at, 'updatedAt', p_rule.updated_at, 'updatedBy', p_rule.updated_by);
end $$;
comment on function private.rule_json(public.rules) is 'A rule as the API shows it.';

create function private.rule_of(p_rule jsonb, p_status text) returns public.rules
language plpgsql stable set search_path = '' as $$
declare
  v_rule public.rules;
begin
  v_rule.id := p_rule ->> 'id';
  v_rule.name := p_rule ->> 'name';
  v_rule.status := coalesce(p_rule ->> 'status', p_status);
  v_rule.priority := coalesce((p_rule ->> 'priority')::integer, 0);
  v_rule.condition := p_rule -> 'condition';
  v_rule.action := p_rule -> 'action';
  v_rule.mode := coalesce(p_rule ->> 'mode', 'all');
  v_rule.cooldown_seconds := coalesce((p_rule ->> 'cooldownSeconds')::integer, 0);
  v_rule.max_fires_per_hour := case when p_rule ? 'maxFiresPerHour' then (p_rule ->> 'maxFiresPerHour')::integer else 1000 end;
  return v_rule;
end $$;
comment on function private.rule_of(jsonb, text) is 'A rule from its JSON, with the defaults of what is left out and the given status.';

create function private.lock_rule(p_id text) returns public.rules
language plpgsql set search_path = '' as $$
declare
  v_rule public.rules;
begin
  select r.* into v_rule from public.rules r where r.id = p_id for no key update;
  if not found then
    perform private.refuse_unknown_rule(p_id);
  end if;
  return v_rule;
end $$;
comment on function private.lock_rule(text) is 'A rule that is about to be changed; raises rule.unknown.';

create function public.save_rule(p_rule jsonb, p_actor text, p_expected_version integer default 0) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_before public.rules;
  v_rule public.rules;
  v_constraint text;
  v_column text;
begin
  perform set_config('rules.actor', coalesce(p_actor, ''), true);
  if p_expected_version = 0 then
    insert into public.rules select n.* from private.rule_of(p_rule, 'active') n on conflict (id) do nothing returning * into v_rule;
    if not found then
      raise exception using errcode = 'PT409', hint = 'rule.exists',
        message = format('There is a rule "%s" already. Choose another id, or change that rule.', p_rule ->> 'id');
    end if;
  else
    v_before := private.lock_rule(p_rule ->> 'id');
    if v_before.version <> p_expected_version then
      raise exception using errcode = 'PT409', hint = 'rule.changed', message = format(
        'Rule "%s" has version %s by now, not %s: %s changed it. Look at that version, and save yours over it.',
        v_before.id, v_before.version, p_expected_version, v_before.updated_by);
    end if;
    update public.rules r
    set (name, status, priority, condition, action, mode, cooldown_seconds, max_fires_per_hour) = (
      select n.name, n.status, n.priority, n.condition, n.action, n.mode, n.cooldown_seconds, n.max_fires_per_hour
      from private.rule_of(p_rule, v_before.status) n)
    where r.id = v_before.id returning * into v_rule;
  end if;
  perform set_config('rules.actor', '', true);
  return private.rule_json(v_rule);
exception when check_violation or not_null_violation or data_exception then
  get stacked diagnostics v_constraint = constraint_name, v_column = column_name;
  raise exception using errcode = 'PT422', hint = 'rule.invalid', message = format('The rule was not saved: %s.', case
    when v_constraint <> '' then replace(v_constraint, '_', ' ')
    when v_column <> '' then format('it has no %s', v_column)
    else sqlerrm end);
end $$;
comment on function public.save_rule(jsonb, text, integer) is
  'Creates a rule (p_expected_version 0), or replaces that version of it; what is left out takes its default, the status stays. Returns it as it is stored. Raises rule.invalid, rule.exists, rule.unknown, rule.changed.';

create function public.set_rule_status(p_id text, p_status text, p_actor text default current_user) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_rule public.rules := private.lock_rule(p_id);
begin
  return public.save_rule(private.rule_json(v_rule) || jsonb_build_object('status', p_status), p_actor, v_rule.version);
end $$;
comment on function public.set_rule_status(text, text, text) is
  'Pauses, activates or archives a rule and returns it. Raises rule.unknown, rule.invalid.';

create function public.rollback_rule(p_id text, p_version integer, p_actor text default current_user) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_rule public.rules := private.lock_rule(p_id);
  v_version public.rule_versions;
begin
  select v.* into v_version from public.rule_versions v where v.rule_id = p_id and v.version = p_version;
  if not found then
    raise exception using errcode = 'PT404', hint = 'rule.version_unknown',
      message = format('Rule "%s" has no version %s; it has versions 1 to %s.', p_id, p_version, v_rule.version);
  end if;
  perform set_config('rules.actor', coalesce(p_actor, ''), true), set_config('rules.rolling_back', 'yes', true);
  update public.rules r
  set (name, priority, condition, action, mode, cooldown_seconds, max_fires_per_hour) = (
    v_version.name, v_version.priority, v_version.condition, v_version.action, v_version.mode, v_version.cooldown_seconds, v_version.max_fires_per_hour)
  where r.id = p_id returning * into v_rule;
  perform set_config('rules.actor', '', true), set_config('rules.rolling_back', '', true);
  return private.rule_json(v_rule);
end $$;
comment on function public.rollback_rule(text, integer, text) is
  'Makes an earlier version of a rule its newest one, whose status stays what it is, and returns it. Raises rule.unknown, rule.version_unknown.';

create function public.read_rules(p_id text default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_rules jsonb;
begin
  select coalesce(jsonb_agg(private.rule_json(r) order by r.priority desc, r.id collate "C"), '[]') into v_rules
  from public.rules r where p_id is null or r.id = p_id;
  if p_id is not null and v_rules = '[]' then
    perform private.refuse_unknown_rule(p_id);
  end if;
  return case when p_id is null then v_rules else v_rules -> 0 end;
end $$;
comment on function public.read_rules(text) is 'Every rule in the order of evaluation, or the one that is named; raises rule.unknown.';

create function public.read_rule_versions(p_id text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_versions jsonb;
begin
  select jsonb_agg((private.rule_json(jsonb_populate_record(r, to_jsonb(v))) - '{createdAt,updatedAt,updatedBy}'::text[])
    || jsonb_build_object('change', v.change, 'changedBy', v.changed_by, 'changedAt', v.changed_at) order by v.version desc) into v_versions
  from public.rules r join public.rule_versions v on v.rule_id = r.id where r.id = p_id;
  if v_versions is null then
    perform private.refuse_unknown_rule(p_id);
  end if;
  return v_versions;
end $$;
comment on function public.read_rule_versions(text) is
  'Every version of a rule, the newest first: the rule as it was, with change, changedBy and changedAt. Raises rule.unknown.';

create function public.load_rules(p_version bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_version bigint;
begin
  select s.version into v_version from private.rule_set s;
  return jsonb_build_object('version', v_version, 'rules', case when v_version is distinct from p_version then (
    select coalesce(jsonb_agg(private.rule_json(r) order by r.priority desc, r.id collate "C"), '[]') from public.rules r where r.status = 'active') end);
end $$;
comment on function public.load_rules(bigint) is
  'The active rules in the order of evaluation, with the version of the set: {version, rules}; rules is null when p_version is the newest.';

revoke execute on function private.refuse_unknown_rule(text), private.rule_json(public.rules), private.rule_of(jsonb, text), private.lock_rule(text)
  from public, anon, authenticated, service_role;
revoke execute on function public.save_rule(jsonb, text, integer), public.set_rule_status(text, text, text),
  public.rollback_rule(text, integer, text), public.read_rules(text), public.read_rule_versions(text), public.load_rules(bigint)
  from public, anon, authenticated;
grant execute on function public.save_rule(jsonb, text, integer), public.set_rule_status(text, text, text),
  public.rollback_rule(text, integer, text), public.read_rules(text), public.read_rule_versions(text), public.load_rules(bigint)
  to service_role;
