begin;
select plan(5);

select private.tell('failure', 'first', '{"n": 1}');
select private.tell('recovered', 'second', '{"n": 2}');
select private.tell('failure', 'later', '{"n": 3}', interval '1 minute');

select is((select count(*) from public.outbox), 6::bigint, 'a message is written for every channel');
create temp table claim as select claim_outbox(array['slack'], 10) -> 0 as batch;
select is(
  (select jsonb_path_query_array(batch, '$.messages[*].payload.n') from claim), '[1, 2]',
  'messages come in the order they were written, without those held back');

update public.notification_channels set enabled = false where name = 'teams';
select private.tell('failure', 'third', '{"n": 4}');
select is((select array_agg(channel) from public.outbox where dedup_key = 'third'), '{slack}', 'nothing is written for a channel that is switched off');

select finish_outbox('slack', (select (batch ->> 'epoch')::integer from claim),
  (select jsonb_agg(m || '{"outcome": "delivered"}') from claim, jsonb_array_elements(batch -> 'messages') m));
update public.outbox set not_before = now() where dedup_key = 'later';
select is(
  jsonb_path_query_array(claim_outbox(array['slack'], 1), '$[*].messages[*].payload.n'), '[3]',
  'a held message comes at its time, before those written after it, and no more than asked for');
select is(claim_outbox(array['nowhere'], 10), '[]', 'an unknown channel has nothing');

select * from finish();
rollback;
