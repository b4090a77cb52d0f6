begin;
select plan(7);

select private.tell('failure', 'a', '{}');
create temp table claim as select claim_outbox(array['slack', 'teams'], 10) as batches;
select is((select jsonb_path_query_array(batches, '$[*].channel') from claim), '["slack", "teams"]', 'a worker leases every channel with work');
select is(claim_outbox(array['slack', 'teams'], 10), '[]', 'a second worker gets nothing while the lease lasts');

update public.notification_channels set leased_until = now() - interval '1 second';
create temp table second_claim as select claim_outbox(array['slack'], 10) -> 0 as batch;
select is(
  (select (batch ->> 'epoch')::integer from second_claim), (select (batches #>> '{0,epoch}')::integer + 1 from claim),
  'when the lease is over another worker takes the channel with a new epoch');
select is((select jsonb_array_length(batch -> 'messages') from second_claim), 1, 'together with the message that was not reported');
select is(
  finish_outbox('slack', 1, (select jsonb_build_array(jsonb_build_object('id', batch #> '{messages,0,id}', 'outcome', 'delivered')) from second_claim)), false,
  'the stale worker''s report is refused');
select is((select delivered_at from public.outbox where channel = 'slack'), null, 'and changes nothing');
select is(
  finish_outbox('slack', 2, (select jsonb_build_array(jsonb_build_object('id', batch #> '{messages,0,id}', 'outcome', 'delivered')) from second_claim)), true,
  'the owner''s report is taken');

select * from finish();
rollback;
