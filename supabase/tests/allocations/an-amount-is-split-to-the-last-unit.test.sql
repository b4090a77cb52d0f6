begin;
select plan(12);

create function pg_temp.split(p_amount bigint, p_allocations jsonb) returns text language sql as $$
  select string_agg(format('%s %s', s.bucket, s.amount_minor), ', ' order by s.place) from private.split_amount(p_amount, p_allocations) s
$$;
create function pg_temp.shares(variadic p_shares numeric[]) returns jsonb language sql as $$
  select jsonb_agg(jsonb_build_object('bucket', chr(96 + place::integer), 'share', share)) from unnest(p_shares) with ordinality s (share, place)
$$;

select is(pg_temp.split(1000, pg_temp.shares(0.7, 0.2, 0.1)), 'a 700, b 200, c 100', 'shares split what divides evenly');
select is(pg_temp.split(100, pg_temp.shares(0.333333333333, 0.333333333333, 0.333333333334)), 'a 33, b 33, c 34', 'what is left over goes to the largest remainder');
select is(pg_temp.split(101, pg_temp.shares(0.25, 0.25, 0.25, 0.25)), 'a 26, b 25, c 25, d 25', 'of equal remainders to the first');
select is(pg_temp.split(103, pg_temp.shares(0.25, 0.25, 0.25, 0.25)), 'a 26, b 26, c 26, d 25', 'and to one after another');
select is(pg_temp.split(1, pg_temp.shares(0.4, 0.6)), 'a 0, b 1', 'a bucket may get nothing');
select is(pg_temp.split(0, pg_temp.shares(0.5, 0.5)), 'a 0, b 0', 'an amount of nothing is split into nothing');
select is(pg_temp.split(-101, pg_temp.shares(0.5, 0.5)), 'a -51, b -50', 'what is paid back is split like what was paid');
select is(
  pg_temp.split(1000, '[{"bucket": "fee", "amountMinor": 35}, {"bucket": "a", "share": 0.5}, {"bucket": "b", "share": 0.5}]'),
  'fee 35, a 483, b 482', 'fixed amounts come first, the rest is shared');
select is(pg_temp.split(-50, '[{"bucket": "a", "amountMinor": 20}, {"bucket": "b", "amountMinor": 30}]'), 'a -20, b -30', 'fixed amounts take the sign of the whole');
select is(pg_temp.split(35, '[{"bucket": "fee", "amountMinor": 35}, {"bucket": "a", "share": 1}]'), 'fee 35, a 0', 'nothing may be left to share');
select is(
  pg_temp.split(9223372036854775807, pg_temp.shares(0.5, 0.5)), 'a 4611686018427387904, b 4611686018427387903', 'the greatest amount is split exactly');
select is(
  pg_temp.split(-9223372036854775808, pg_temp.shares(0.000000000001, 0.999999999999)),
  'a -9223372, b -9223372036845552436', 'and so is the least, by the finest share');

select * from finish();
rollback;
