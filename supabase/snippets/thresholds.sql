-- How many failures in a row disable an integration, and how many there are now.
select t.failure_category, t.max_consecutive, t.window_minutes, s.service_name, s.failures, s.started_at
from recovery_thresholds t left join failure_streaks s using (failure_category) order by 1, 4;
