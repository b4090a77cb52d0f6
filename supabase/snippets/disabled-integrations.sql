-- Which integrations are disabled, since when, and when they are probed.
select * from disabled_integrations;
