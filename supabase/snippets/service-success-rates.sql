-- How many calls of each service succeeded in the last 7 days, at once and after healing.
select * from service_success_rates;
