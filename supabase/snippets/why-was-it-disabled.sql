-- Why an integration was disabled and what happened before: its last 20 decisions and its last 20 failures.
select created_at, actor, action, result, payload from audit_log where resource = 'integration:slack' order by immutable_seq desc limit 20;
select created_at, failure_category, failure_reason, action_taken, status from system_integrity_events where service_name = 'slack' order by created_at desc limit 20;
