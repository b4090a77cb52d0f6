-- How long failures took to be resolved in the last 7 days, overall and by service.
select * from mean_time_to_recovery;
