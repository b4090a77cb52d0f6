begin;
select plan(22);

insert into public.ledger_events (id, event_type, account, amount_minor, currency) values (tests.id(1), 'payment.received', 'ada', 1000, 'EUR');
create function pg_temp.refusal(p_allocations jsonb, p_event uuid default tests.id(1)) returns text language plpgsql as $$
declare
  v_hint text;
begin
  perform public.allocate_ledger_event(p_event, p_allocations, 'split', 'e1');
  return 'allocated';
exception when others then
  get stacked diagnostics v_hint = pg_exception_hint;
  return format('%s %s: %s', sqlstate, v_hint, replace(sqlerrm, format('Ledger event %s cannot be allocated: ', p_event), ''));
end $$;

select is(
  pg_temp.refusal('[{"bucket": "a", "share": 1}]', tests.id(2)),
  format('PT404 ledger_event.unknown: There is no ledger event %s. Record it before it is allocated.', tests.id(2)), 'an unknown ledger event');
select is(pg_temp.refusal('[{"bucket": "a", "share": 1}]', null), 'PT404 ledger_event.unknown: There is no ledger event null. Record it before it is allocated.', 'no ledger event');

select is(pg_temp.refusal(t.allocations::jsonb), 'PT422 allocation.invalid: ' || t.problem, t.problem)
from (values
  ('{}', 'The allocations must be a list of 1 to 100 buckets.'),
  ('[]', 'The allocations must be a list of 1 to 100 buckets.'),
  ('null', 'The allocations must be a list of 1 to 100 buckets.'),
  ((select jsonb_agg(jsonb_build_object('bucket', n::text, 'amountMinor', 10)) from generate_series(1, 101) n)::text, 'The allocations must be a list of 1 to 100 buckets.'),
  ('["a"]', 'allocations.0 must be an object.'),
  ('[{"bucket": "a", "share": 1}, {"share": 1}]', 'allocations.1 needs a bucket, a name of 1 to 100 characters.'),
  ('[{"bucket": "", "share": 1}]', 'allocations.0 needs a bucket, a name of 1 to 100 characters.'),
  ('[{"bucket": "a"}]', 'allocations.0 needs either a share or an amountMinor, and nothing else.'),
  ('[{"bucket": "a", "share": 1, "amountMinor": 1}]', 'allocations.0 needs either a share or an amountMinor, and nothing else.'),
  ('[{"bucket": "a", "share": 1, "note": "x"}]', 'allocations.0 needs either a share or an amountMinor, and nothing else.'),
  ('[{"bucket": "a", "share": "1"}]', 'allocations.0 needs a number, not a text.'),
  ('[{"bucket": "a", "share": 0}]', 'allocations.0 needs a share greater than 0 with at most 12 decimal places.'),
  ('[{"bucket": "a", "share": 0.0000000000001}]', 'allocations.0 needs a share greater than 0 with at most 12 decimal places.'),
  ('[{"bucket": "a", "amountMinor": 1.5}]', 'allocations.0 needs an amountMinor that is a whole number from 1 on: the sign is the ledger event''s.'),
  ('[{"bucket": "a", "amountMinor": -5}]', 'allocations.0 needs an amountMinor that is a whole number from 1 on: the sign is the ledger event''s.'),
  ('[{"bucket": "a", "share": 0.5}, {"bucket": "a", "share": 0.5}]', 'The bucket "a" is named more than once.'),
  ('[{"bucket": "a", "share": 70}, {"bucket": "b", "share": 30}]', 'The shares sum to 100, 99 too much: they must sum to 1; write 0.7 for 70 %.'),
  ('[{"bucket": "a", "share": 0.7}, {"bucket": "b", "share": 0.200000000001}]', 'The shares sum to 0.900000000001, 0.099999999999 too little: they must sum to 1; write 0.7 for 70 %.'),
  ('[{"bucket": "a", "amountMinor": 1200}, {"bucket": "b", "share": 1}]', 'The fixed amounts sum to 1200, 200 more than the amount of 1000.'),
  ('[{"bucket": "a", "amountMinor": 900}]', 'The fixed amounts sum to 900, 100 less than the amount of 1000: add a bucket with a share for the rest.')
) t (allocations, problem);

select * from finish();
rollback;
