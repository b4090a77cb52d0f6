-- Actions of rules that failed, and why; the definition is the one of the rule's version that matched.
select finished_at, rule_id, event_id, type, error, action, progress from action_runs where state = 'failed' order by finished_at desc limit 100;
