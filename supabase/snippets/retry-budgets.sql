-- How much healing each integration may still do: retries left, breaker, and pauses that the provider asked for.
select service_name, least(retry_budget_capacity, retry_tokens + extract(epoch from now() - retry_tokens_at) / 60) as retries_left,
  breaker_state, breaker_until, rate_limited_until
from integrations_master order by service_name;
