begin;
select plan(5);
select tests.all_is_well();
create function public.check_nothing(p_entities text[] default null) returns table (entity text, expected text, actual text, details jsonb)
language sql stable set search_path = '' as $$ select '1', 'a', 'b', null::jsonb where p_entities is null $$;
select register_invariant('OFF', 'check_nothing', 'P3'), register_invariant('GONE', 'check_nothing', 'P3');
select run_invariant('OFF'), run_invariant('GONE'), tests.break('removed', 'paused', 'healed');
create function pg_temp.ended(p_key text) returns text language sql as $$
  select format('%s %s: %s', status, case when auto_healed then 'healed' else 'not healed' end, note) from public.incidents where dedup_key = p_key
$$;

select tests.follow('00:00');
select set_invariant_enabled('OFF', false, 'ada');
delete from public.invariants where name = 'GONE';
delete from public.integrations_master where service_name = 'removed';
update public.integrations_master set disabled_by = 'ada' where service_name = 'paused';
select tests.mend('healed'), tests.follow('00:01');

select is(pg_temp.ended('invariant:OFF'), 'RESOLVED not healed: Nobody looks at it any more: it was removed or switched off.', 'an invariant that was switched off');
select is(pg_temp.ended('invariant:GONE'), 'RESOLVED not healed: Nobody looks at it any more: it was removed or switched off.', 'or removed');
select is(pg_temp.ended('integration:removed'), 'RESOLVED not healed: Nobody looks at it any more: it was removed or switched off.', 'an integration that was removed');
select is(pg_temp.ended('integration:paused'), 'RESOLVED not healed: Nobody looks at it any more: it was removed or switched off.', 'or disabled by a person, ends its incident, which is not said to be healed');
select is(pg_temp.ended('integration:healed'), 'RESOLVED healed: ', 'what works again is');

select * from finish();
rollback;
