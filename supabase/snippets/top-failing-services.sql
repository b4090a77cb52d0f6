-- The ten services that failed most in the last 7 days.
select * from top_failing_services limit 10;
