-- Users who must connect again, because the provider refused their grant.
select service_name, user_id, last_error_at, consecutive_failures from user_integrations where needs_reauth order by last_error_at desc;
