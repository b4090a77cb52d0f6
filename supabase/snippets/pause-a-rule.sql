-- Pause a rule until a person activates it again; what is queued already is still done.
select set_rule_status('lane-latency-alert', 'paused');
