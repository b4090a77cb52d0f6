-- Settle the oldest open failure of a service by hand.
select resolve_recovery(recovery_id) from active_failures where service_name = 'slack' order by created_at limit 1;
