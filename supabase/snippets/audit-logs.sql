-- The audit logs: how far they are sealed, verified and published, what is damaged, and which checkpoints are refused.
select * from audit_status;
