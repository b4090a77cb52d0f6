-- What became of money: a ledger event's amount is split across buckets, once, and to the last minor unit.

create table public.ledger_allocations (
  id uuid primary key default gen_random_uuid(),
  -- No foreign key: ledger events cannot change or disappear, except by retention, which one would stand in the way of.
  ledger_event_id uuid not null,
  bucket text not null,
  amount_minor bigint not null,
  currency text not null,
  rule_id text not null,
  event_id text not null,
  created_at timestamptz not null default now(),
  constraint ledger_allocations_name_a_bucket check (char_length(bucket) between 1 and 100),
  constraint ledger_allocations_name_a_rule check (rule_id <> ''),
  constraint ledger_allocations_name_an_event check (event_id <> ''),
  constraint ledger_allocations_name_a_bucket_once unique (ledger_event_id, bucket)
);
comment on table public.ledger_allocations is 'Immutable record of which bucket got which part of a ledger event''s amount. The parts of an event are written together and sum to its amount.';
comment on column public.ledger_allocations.id is 'Identity.';
comment on column public.ledger_allocations.ledger_event_id is 'The ledger event whose amount was split.';
comment on column public.ledger_allocations.bucket is 'Who or what the part is for, for example tax.';
comment on column public.ledger_allocations.amount_minor is 'The part in minor units (cents), with the sign of the ledger event''s amount.';
comment on column public.ledger_allocations.currency is 'The ledger event''s.';
comment on column public.ledger_allocations.rule_id is 'The rule that split it.';
comment on column public.ledger_allocations.event_id is 'The event that the rule matched.';
comment on column public.ledger_allocations.created_at is 'When it was recorded.';

create function private.check_allocations() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_wrong uuid;
begin
  -- Locked in a statement of its own, so that the next one sees what another transaction inserted meanwhile.
  perform from public.ledger_events e
  where e.id in (select i.ledger_event_id from inserted i) order by e.id for no key update;
  select i.ledger_event_id into v_wrong
  from (select distinct i.ledger_event_id from inserted i) i
  left join public.ledger_events e on e.id = i.ledger_event_id
  where e.amount_minor is distinct from (
    select sum(a.amount_minor) from public.ledger_allocations a where a.ledger_event_id = i.ledger_event_id);
  if found then
    raise exception using errcode = 'PT422', hint = 'allocation.invalid', message = format(
      'The allocations of ledger event %s do not sum to its amount. Insert all of them in one statement, or call allocate_ledger_event.', v_wrong);
  end if;
  return null;
end $$;
comment on function private.check_allocations() is 'Refuses allocations that do not sum to the amount of their ledger event.';
create trigger allocations_sum_up after insert on public.ledger_allocations
referencing new table as inserted for each statement execute function private.check_allocations();
comment on trigger allocations_sum_up on public.ledger_allocations is 'The parts of a ledger event sum to its amount, whoever inserts them.';

create function private.allocation_item_problem(p_item jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_share numeric;
  v_fixed numeric;
begin
  if jsonb_typeof(p_item) <> 'object' then
    return 'must be an object';
  elsif jsonb_typeof(p_item -> 'bucket') is distinct from 'string' or char_length(p_item ->> 'bucket') not between 1 and 100 then
    return 'needs a bucket, a name of 1 to 100 characters';
  elsif (p_item ? 'share') = (p_item ? 'amountMinor') or p_item - '{bucket, share, amountMinor}'::text[] <> '{}' then
    return 'needs either a share or an amountMinor, and nothing else';
  elsif jsonb_typeof(coalesce(p_item -> 'share', p_item -> 'amountMinor')) <> 'number' then
    return 'needs a number, not a text';
  end if;
  v_share := (p_item -> 'share')::numeric;
  v_fixed := (p_item -> 'amountMinor')::numeric;
  if v_share <= 0 or scale(trim_scale(v_share)) > 12 then
    return 'needs a share greater than 0 with at most 12 decimal places';
  elsif v_fixed <> trunc(v_fixed) or v_fixed not between 1 and 9223372036854775807 then
    return 'needs an amountMinor that is a whole number from 1 on: the sign is the ledger event''s';
  end if;
  return null;
end $$;
comment on function private.allocation_item_problem(jsonb) is 'What is wrong with one allocation, {bucket, share} or {bucket, amountMinor}; null when nothing is.';

create function private.allocation_problem(p_amount_minor bigint, p_allocations jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_problem text;
  v_amount numeric := abs(p_amount_minor::numeric);
  v_fixed numeric;
  v_shares numeric;
begin
  if (case jsonb_typeof(p_allocations) when 'array' then jsonb_array_length(p_allocations) between 1 and 100 end) is not true then
    return 'The allocations must be a list of 1 to 100 buckets.';
  elsif v_amount is null then
    return 'The ledger event has no amount.';
  end if;
  select format('allocations.%s %s.', a.position - 1, p.problem) into v_problem
  from jsonb_array_elements(p_allocations) with ordinality a (item, position)
  cross join lateral (select private.allocation_item_problem(a.item) as problem) p
  where p.problem is not null order by a.position limit 1;
  if found then
    return v_problem;
  end if;
  select format('The bucket "%s" is named more than once.', a.item ->> 'bucket') into v_problem
  from jsonb_array_elements(p_allocations) a (item) group by a.item ->> 'bucket' having count(*) > 1 limit 1;
  if found then
    return v_problem;
  end if;
  select trim_scale(sum((a.item -> 'share')::numeric)), coalesce(sum((a.item -> 'amountMinor')::numeric), 0) into v_shares, v_fixed
  from jsonb_array_elements(p_allocations) a (item);
  return case
    when v_shares <> 1 then format('The shares sum to %s, %s too %s: they must sum to 1; write 0.7 for 70 %%.',
      v_shares, trim_scale(abs(v_shares - 1)), case when v_shares > 1 then 'much' else 'little' end)
    when v_fixed > v_amount then format('The fixed amounts sum to %s, %s more than the amount of %s.', v_fixed, v_fixed - v_amount, v_amount)
    when v_shares is null and v_fixed < v_amount then format(
      'The fixed amounts sum to %s, %s less than the amount of %s: add a bucket with a share for the rest.', v_fixed, v_amount - v_fixed, v_amount)
  end;
end $$;
comment on function private.allocation_problem(bigint, jsonb) is 'Why an amount cannot be split by these allocations; null when it can.';

create function private.split_amount(p_amount_minor bigint, p_allocations jsonb)
returns table (place bigint, bucket text, amount_minor bigint)
language plpgsql immutable set search_path = '' as $$
begin
  return query
  with item as (
    select a.position, a.item ->> 'bucket' as bucket, (a.item -> 'amountMinor')::numeric as fixed, (a.item -> 'share')::numeric as share
    from jsonb_array_elements(p_allocations) with ordinality a (item, position)
  ), rest as (
    select abs(p_amount_minor::numeric) - coalesce(sum(i.fixed), 0) as amount from item i
  ), floored as (
    select i.position, i.bucket, coalesce(i.fixed, floor(r.amount * i.share)) as amount,
      -- Fixed amounts have no remainder and come last.
      row_number() over (order by r.amount * i.share % 1 desc nulls last, i.position) as turn
    from item i cross join rest r
  ), left_over as (
    select abs(p_amount_minor::numeric) - sum(f.amount) as units from floored f
  )
  select f.position, f.bucket, ((f.amount + case when f.turn <= l.units then 1 else 0 end) * case when p_amount_minor < 0 then -1 else 1 end)::bigint
  from floored f cross join left_over l order by f.position;
end $$;
comment on function private.split_amount(bigint, jsonb) is
  'Splits an amount as private.allocation_problem allows: fixed amounts first, the rest by shares, each rounded down, what is left over in units of 1 to the largest remainders (Hamilton''s method), of equal ones to the first. A negative amount is split like a positive one and negated.';

create function private.amount_json(p_amount_minor bigint) returns jsonb
language sql immutable set search_path = '' as $$
  select case when abs(p_amount_minor::numeric) <= 9007199254740991 then to_jsonb(p_amount_minor) else to_jsonb(p_amount_minor::text) end;
$$;
comment on function private.amount_json(bigint) is 'An amount as JSON: a number, or text where JavaScript could not keep the number exactly.';

create function public.allocate_ledger_event(p_ledger_event_id uuid, p_allocations jsonb, p_rule_id text, p_event_id text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_event record;
  v_problem text;
  v_split jsonb;
  v_stored jsonb;
  v_same boolean;
begin
  -- One transaction at a time for each ledger event.
  select e.amount_minor, e.currency into v_event from public.ledger_events e where e.id = p_ledger_event_id for no key update;
  if not found then
    raise exception using errcode = 'PT404', hint = 'ledger_event.unknown',
      message = format('There is no ledger event %s. Record it before it is allocated.', coalesce(p_ledger_event_id::text, 'null'));
  end if;
  v_problem := private.allocation_problem(v_event.amount_minor, p_allocations);
  if v_problem is not null then
    raise exception using errcode = 'PT422', hint = 'allocation.invalid',
      message = format('Ledger event %s cannot be allocated: %s', p_ledger_event_id, v_problem);
  end if;

  select jsonb_agg(jsonb_build_object('bucket', s.bucket, 'amountMinor', private.amount_json(s.amount_minor)) order by s.place) into v_split
  from private.split_amount(v_event.amount_minor, p_allocations) s;
  select jsonb_agg(jsonb_build_object('bucket', a.bucket, 'amountMinor', private.amount_json(a.amount_minor)) order by a.immutable_seq),
    bool_and(a.rule_id = p_rule_id and a.event_id = p_event_id) into v_stored, v_same
  from public.ledger_allocations a where a.ledger_event_id = p_ledger_event_id;
  if v_stored is null then
    insert into public.ledger_allocations (ledger_event_id, bucket, amount_minor, currency, rule_id, event_id)
    select p_ledger_event_id, s.bucket, s.amount_minor, v_event.currency, p_rule_id, p_event_id
    from private.split_amount(v_event.amount_minor, p_allocations) s order by s.place;
  elsif not v_same or v_stored <> v_split then
    raise exception using errcode = 'PT409', hint = 'allocation.exists', message = format(
      'Ledger event %s was allocated before, by another rule, for another event or otherwise. A ledger event is allocated once: see its rows in ledger_allocations.', p_ledger_event_id);
  end if;
  return jsonb_build_object('ledgerEventId', p_ledger_event_id, 'amountMinor', private.amount_json(v_event.amount_minor),
    'currency', v_event.currency, 'allocations', v_split);
end $$;
comment on function public.allocate_ledger_event(uuid, jsonb, text, text) is
  'Splits a ledger event''s amount across buckets and records the parts, all or none: allocations are [{bucket, share} or {bucket, amountMinor}]. Safe to repeat for the same rule and event. Returns {ledgerEventId, amountMinor, currency, allocations: [{bucket, amountMinor}]}. Raises ledger_event.unknown, allocation.invalid, allocation.exists.';

alter table public.ledger_allocations enable row level security;
revoke all on public.ledger_allocations from public, anon, authenticated, service_role;
grant select on public.ledger_allocations to service_role;
select private.make_immutable('public.ledger_allocations');
revoke execute on function private.check_allocations(), private.allocation_item_problem(jsonb), private.allocation_problem(bigint, jsonb),
  private.split_amount(bigint, jsonb), private.amount_json(bigint) from public, anon, authenticated, service_role;
revoke execute on function public.allocate_ledger_event(uuid, jsonb, text, text) from public, anon, authenticated;
grant execute on function public.allocate_ledger_event(uuid, jsonb, text, text) to service_role;
