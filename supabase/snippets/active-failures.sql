-- What is failing now, and what each failure waits for.
select * from active_failures;
