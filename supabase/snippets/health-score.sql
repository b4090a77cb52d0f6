-- How healthy the project is now: score, grade, and each component with what it was made of.
select jsonb_pretty(read_system_health());
