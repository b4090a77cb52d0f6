begin;
select plan(16);

insert into public.ledger_events (id, event_type, account, amount_minor, currency) values
  (tests.id(1), 'payment.received', 'ada', 1001, 'EUR'), (tests.id(2), 'payment.received', 'ada', 9007199254740993, 'EUR'), (tests.id(3), 'payment.received', 'ada', 10, 'EUR');
create temp table half as select '[{"bucket": "z", "share": 0.5}, {"bucket": "a", "share": 0.5}]'::jsonb as allocations;
create function pg_temp.rows_of(p_event uuid) returns text language sql as $$
  select string_agg(format('%s %s %s %s/%s', a.bucket, a.amount_minor, a.currency, a.rule_id, a.event_id), ', ' order by a.immutable_seq)
  from public.ledger_allocations a where a.ledger_event_id = p_event
$$;

select is(
  (select allocate_ledger_event(tests.id(1), allocations, 'split', 'e1') from half),
  jsonb_build_object('ledgerEventId', tests.id(1), 'amountMinor', 1001, 'currency', 'EUR',
    'allocations', '[{"bucket": "z", "amountMinor": 501}, {"bucket": "a", "amountMinor": 500}]'::jsonb),
  'what each bucket got is returned in the order of the definition');
select is(pg_temp.rows_of(tests.id(1)), 'z 501 EUR split/e1, a 500 EUR split/e1', 'and recorded with who and why');
select is(
  (select allocate_ledger_event(tests.id(1), allocations, 'split', 'e1') -> 'allocations' from half),
  '[{"bucket": "z", "amountMinor": 501}, {"bucket": "a", "amountMinor": 500}]'::jsonb, 'a repetition for the same rule and event returns the same');
select throws_like(
  format('select allocate_ledger_event(tests.id(1), %L, %L, %L)', allocations, rule, event), '%was allocated before%', reason)
from half, (values ('other', 'e1', 'another rule is refused'), ('split', 'e2', 'another event is refused')) t (rule, event, reason);
select throws_ok(
  $$select allocate_ledger_event(tests.id(1), '[{"bucket": "a", "share": 1}]', 'split', 'e1')$$, 'PT409', null, 'another split by the same rule is refused');
select is(pg_temp.rows_of(tests.id(1)), 'z 501 EUR split/e1, a 500 EUR split/e1', 'after all of this the rows are as they were');

select is(
  (select allocate_ledger_event(tests.id(2), '[{"bucket": "a", "share": 1}]', 'split', 'e1')), 
  jsonb_build_object('ledgerEventId', tests.id(2), 'amountMinor', '9007199254740993', 'currency', 'EUR', 'allocations', '[{"bucket": "a", "amountMinor": "9007199254740993"}]'::jsonb),
  'an amount that JavaScript cannot keep exactly is text');

select throws_ok(
  $$insert into public.ledger_allocations (ledger_event_id, bucket, amount_minor, currency, rule_id, event_id) values (tests.id(3), 'a', 9, 'EUR', 'r', 'e')$$,
  'PT422', null, 'rows that do not sum to the amount are refused, whoever inserts them');
select throws_ok(
  $$insert into public.ledger_allocations (ledger_event_id, bucket, amount_minor, currency, rule_id, event_id) values (tests.id(1), 'b', 1, 'EUR', 'r', 'e')$$,
  'PT422', null, 'so is a row more');
select throws_ok(
  $$insert into public.ledger_allocations (ledger_event_id, bucket, amount_minor, currency, rule_id, event_id) values (tests.id(9), 'b', 1, 'EUR', 'r', 'e')$$,
  'PT422', null, 'and one for a ledger event that is not there');
select throws_ok(format('%s public.ledger_allocations', verb), 'PT403', null, format('no row can be changed: %s', verb))
from (values ('update public.ledger_allocations set amount_minor = 0; --'), ('delete from'), ('truncate')) t (verb);
select is(
  (select jsonb_agg(t -> 'size') from jsonb_array_elements(seal_audit('ledger_allocations')) t), '[3]'::jsonb, 'allocations are sealed like every immutable table');

set local role service_role;
select throws_ok(
  $$insert into public.ledger_allocations (ledger_event_id, bucket, amount_minor, currency, rule_id, event_id) values (tests.id(3), 'a', 10, 'EUR', 'r', 'e')$$,
  '42501', null, 'the service role allocates through the function only');
reset role;

select * from finish();
rollback;
