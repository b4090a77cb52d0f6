-- What rules did in the last day: which fired, which were suppressed and why, and how their actions ended.
select m.matched_at, r.id, r.name, m.outcome, m.reason, m.event_id, m.rule_version,
  (select jsonb_object_agg(a.position || ' ' || a.type, coalesce(a.error, a.state)) from action_runs a where a.rule_id = m.rule_id and a.event_id = m.event_id) as actions
from rule_matches m join rules r on r.id = m.rule_id
where m.matched_at > now() - interval '1 day' order by m.matched_at desc limit 100;
