-- What kinds of failure the last 7 days brought.
select * from failure_category_distribution;
