-- The longest time between two turns: a timer is late by it, so it may be too long and never too short.
begin;
select plan(18);

select is(private.timer_period(schedule), period::interval, format('%s is every %s', schedule, period))
from (values
  ('* * * * *', '1 minute'), ('*/5 * * * *', '5 minutes'), ('0,30 * * * *', '30 minutes'), ('5,10 * * * *', '55 minutes'),
  ('17 * * * *', '1 hour'), ('0-59/7 * * * *', '7 minutes'), ('0 3,15 * * *', '12 hours'), ('*/5 9-17 * * *', '16 hours'), ('0 3 * * *', '24 hours'),
  ('0 3 * * 1-5', '3 days'), ('0 3 * * 0,7', '7 days'), ('0 3 1,15 * *', '17 days'), ('0 3 1 * 1', '7 days'), ('0 3 1 * *', '31 days'), ('0 3 1 1 *', '372 days')
) s (schedule, period);
select is(
  array(select schedule from unnest('{a * * * *,60 * * * *,5-1 * * * *,*/0 * * * *,* * * * MON,* * *,"",*/5/5 * * * *,"1, * * * *"}'::text[]) schedule where private.timer_period(schedule) is not null),
  '{}', 'what cannot be read has none');
select is(private.timer_period(repeat('1,', 20000) || '1 * * * *'), '1 hour', 'a very long list is read');
select is((select array_agg(name) from public.timers where period is null), null, 'every timer of the project has a period');

select * from finish();
rollback;
