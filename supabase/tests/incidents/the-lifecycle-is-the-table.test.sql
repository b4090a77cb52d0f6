-- The table of transitions is the only place that knows the lifecycle, and one function is the only way through it.
begin;
select plan(5);
select tests.all_is_well();

select is(
  array(select concat_ws(' ', from_status, event, to_status) from public.incident_transitions order by 1),
  array['ACKNOWLEDGED clear RESOLVED', 'ACKNOWLEDGED resolve RESOLVED', 'ACKNOWLEDGED retry ACKNOWLEDGED',
    'AUTO_HEALING acknowledge ACKNOWLEDGED', 'AUTO_HEALING clear RESOLVED', 'AUTO_HEALING escalate ESCALATED', 'AUTO_HEALING resolve RESOLVED',
    'AUTO_HEALING retry AUTO_HEALING', 'ESCALATED acknowledge ACKNOWLEDGED', 'ESCALATED clear RESOLVED', 'ESCALATED resolve RESOLVED',
    'RESOLVED close CLOSED', 'RESOLVED reopen AUTO_HEALING', 'open AUTO_HEALING'],
  'an incident heals by itself, is escalated, taken by people, resolved, reopened and closed');

-- One incident in each status, each of which is asked for everything.
select tests.break('healing', 'escalated', 'taken', 'resolved', 'closed');
select tests.follow('0'), tests.mend('healing', 'closed', 'resolved', 'taken'), tests.follow('15 minutes'), tests.follow('25 hours');
select tests.break('healing', 'resolved', 'taken'), tests.follow('26 hours'), tests.mend('resolved'), tests.follow('26 hours 1 minute');
select acknowledge_incident((tests.incident('taken')).id, 'ada');
create temp table incident as
select distinct on (i.status) i.id, i.status from public.incidents i order by i.status, i.id;
select is(array(select status from incident order by 1), '{ACKNOWLEDGED,AUTO_HEALING,CLOSED,ESCALATED,RESOLVED}', 'incidents are in every status');

create function pg_temp.try(p_incident public.incidents, p_event text) returns text language plpgsql as $$
declare
  v_after public.incidents;
  v_hint text;
begin
  v_after := private.move_incident(p_incident, p_event, 'ada', now());
  if not exists (select from public.audit_log a where a.resource = 'incident:' || v_after.id and a.result = v_after.status and a.actor = 'ada') then
    return 'not recorded';
  end if;
  raise exception using errcode = 'PT001', message = v_after.status;
exception
  when sqlstate 'PT001' then return sqlerrm;
  when sqlstate 'PT409' then
    get stacked diagnostics v_hint = pg_exception_hint;
    return v_hint;
end $$;
create temp table attempt as
select i.id, i.status, e.event, pg_temp.try(i, e.event) as outcome
from public.incidents i, unnest('{retry,escalate,acknowledge,clear,resolve,reopen,close}'::text[]) e (event) where i.id in (select id from incident);
select is(
  array(select concat_ws(' ', a.status, a.event, a.outcome) from attempt a order by 1),
  array(select concat_ws(' ', a.status, a.event, coalesce(t.to_status, 'incident.transition_refused'))
    from attempt a left join public.incident_transitions t on t.from_status = a.status and t.event = a.event order by 1),
  'each move of the table is made and recorded, every other one is refused');

select throws_like(format('select acknowledge_incident(%s, %L)', id, 'ada'), '%is RESOLVED, where "acknowledge" is not possible. Possible: close, reopen.', 'a refusal says what is possible')
from incident where status = 'RESOLVED';
select throws_like(format('select resolve_incident(%s, %L)', id, 'ada'), '%is CLOSED, where "resolve" is not possible. Possible: nothing any more.', 'also when nothing is')
from incident where status = 'CLOSED';

select * from finish();
rollback;
