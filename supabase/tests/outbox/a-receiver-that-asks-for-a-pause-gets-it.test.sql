begin;
select plan(5);

select private.tell('failure', 'a', '{}');
select private.tell('failure', 'b', '{}');
create temp table claim as select claim_outbox(array['slack'], 10) -> 0 as batch;
select finish_outbox('slack', 1, jsonb_build_array(
  jsonb_build_object('id', batch #> '{messages,0,id}', 'outcome', 'retry', 'error', 'HTTP 429', 'retry_after_seconds', 30))) from claim;

select is((select retry_at from public.notification_channels where name = 'slack'), now() + interval '30 seconds', 'the pause is kept exactly');
select is(claim_outbox(array['slack'], 10), '[]', 'the channel is not claimed during the pause');
select is(
  (select array_agg(attempts order by id) from public.outbox where channel = 'slack'), '{1,0}',
  'only the message that was tried counts an attempt');
select is((select last_error from public.outbox where channel = 'slack' order by id limit 1), 'HTTP 429', 'why it failed is kept');

update public.notification_channels set retry_at = now() where name = 'slack';
select is(
  jsonb_path_query_array(claim_outbox(array['slack'], 10), '$[0].messages[*].attempts'), '[1, 0]', 'after the pause both come again, in order');

select * from finish();
rollback;
