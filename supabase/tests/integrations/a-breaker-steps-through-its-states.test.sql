begin;
select plan(21);

create function pg_temp.step(p_breaker text, p_event text, p_count integer default 1) returns text language sql as $$
  select private.breaker_step(p_breaker::private.breaker, p_event, p_count, '2026-01-01 12:00:00Z')::text
$$;
set local timezone = 'UTC';
set local datestyle = 'ISO';

select is(pg_temp.step(before, event, failures), after, sentence) from (values
  ('(closed,0,0,)', 'failure', 1, '(closed,1,0,)', 'a failure is counted'),
  ('(closed,3,0,)', 'failure', 1, '(closed,4,0,)', 'the fourth in a row changes nothing yet'),
  ('(closed,4,0,)', 'failure', 1, '(open,0,1,"2026-01-01 12:00:30+00")', 'the fifth in a row opens it for half a minute'),
  ('(closed,0,0,)', 'failure', 5, '(open,0,1,"2026-01-01 12:00:30+00")', 'five at once do so too'),
  ('(closed,4,0,)', 'success', 1, '(closed,0,0,)', 'a success ends the row'),
  ('(closed,4,0,)', 'none', 1, '(closed,4,0,)', 'what proves nothing changes nothing'),
  ('(closed,4,0,)', 'probe', 1, '(closed,4,0,)', 'a closed one needs no probe'),
  ('(open,0,1,"2026-01-01 12:00:30+00")', 'failure', 3, '(open,0,1,"2026-01-01 12:00:30+00")', 'late failures do not make the pause longer'),
  ('(open,0,1,"2026-01-01 12:00:30+00")', 'probe', 1, '(open,0,1,"2026-01-01 12:00:30+00")', 'no probe passes before the pause is over'),
  ('(open,0,1,"2026-01-01 12:00:00+00")', 'probe', 1, '(half_open,0,1,"2026-01-01 12:01:00+00")', 'then one passes, with a minute to answer'),
  ('(open,0,1,"2026-01-01 12:00:30+00")', 'success', 1, '(closed,0,0,)', 'a success closes it'),
  ('(half_open,0,1,"2026-01-01 12:01:00+00")', 'probe', 1, '(half_open,0,1,"2026-01-01 12:01:00+00")', 'no second probe passes beside the first'),
  ('(half_open,0,1,"2026-01-01 11:59:00+00")', 'probe', 1, '(half_open,0,1,"2026-01-01 12:01:00+00")', 'unless the first was lost'),
  ('(half_open,0,1,"2026-01-01 12:01:00+00")', 'failure', 1, '(open,0,2,"2026-01-01 12:01:00+00")', 'a failed probe opens it for twice as long'),
  ('(half_open,0,4,"2026-01-01 12:01:00+00")', 'failure', 1, '(open,0,5,"2026-01-01 12:08:00+00")', 'the fifth pause is eight minutes'),
  ('(half_open,0,5,"2026-01-01 12:01:00+00")', 'failure', 1, '(open,0,6,"2026-01-01 12:15:00+00")', 'the pause ends growing at fifteen minutes'),
  ('(half_open,0,5000,"2026-01-01 12:01:00+00")', 'failure', 1, '(open,0,5001,"2026-01-01 12:15:00+00")', 'however often it opened'),
  ('(half_open,0,9,"2026-01-01 12:01:00+00")', 'success', 1, '(closed,0,0,)', 'a probe that succeeds closes it and forgets the pauses'),
  ('(closed,2,0,)', 'disable', 1, '(open,0,6,"2026-01-01 12:15:00+00")', 'disabling opens it for the longest pause'),
  ('(half_open,0,9,"2026-01-01 12:01:00+00")', 'none', 1, '(half_open,0,9,"2026-01-01 12:01:00+00")', 'an inconclusive probe leaves the next one to time')
) step (before, event, failures, after, sentence);
select throws_ok($$select pg_temp.step('(closed,0,0,)', 'nonsense')$$, '20000', null, 'an unknown event is an error, never ignored');

select * from finish();
rollback;
