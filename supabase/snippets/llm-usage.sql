-- How many failures a language model explained, by day.
select * from llm_usage where failures > 0;
