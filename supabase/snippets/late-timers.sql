-- Timers that did not run when they should have, and their last error.
select name, state, schedule, succeeded_at, late_by, last_error from timer_status where state not in ('on_time', 'disabled');
