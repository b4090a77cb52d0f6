-- What is wrong now: equal failures counted together.
select * from open_failure_groups;
