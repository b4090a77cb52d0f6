-- Make an earlier version of a rule its newest one; whether it is active stays as it is.
select rollback_rule('lane-latency-alert', 1);
