-- The drift score of the last day, what each lost point was lost for, and which invariants could not be checked.
select created_at, score, lost, unknown from drift_scores where created_at > now() - interval '1 day' order by created_at desc;
