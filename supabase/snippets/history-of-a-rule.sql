-- Who changed a rule, when, and what it was then.
select version, changed_at, changed_by, change, status, name, priority, condition, action, mode, cooldown_seconds, max_fires_per_hour
from rule_versions where rule_id = 'lane-latency-alert' order by version desc;
