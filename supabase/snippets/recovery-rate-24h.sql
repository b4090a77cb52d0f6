-- How many of the last 24 hours' failures are resolved, overall and by service.
select * from recovery_rate_24h;
