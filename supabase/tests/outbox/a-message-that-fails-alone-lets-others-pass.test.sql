begin;
select plan(5);

select private.tell('failure', 'a', '{}');
select private.tell('failure', 'b', '{}');
create temp table claim as select claim_outbox(array['slack'], 10) -> 0 as batch;
select finish_outbox('slack', 1, (select jsonb_build_array(
  jsonb_build_object('id', batch #> '{messages,0,id}', 'outcome', 'held', 'error', 'not now', 'retry_after_seconds', 900),
  jsonb_build_object('id', batch #> '{messages,1,id}', 'outcome', 'delivered')) from claim));
create temp table held as select o.* from public.outbox o, claim where o.id = (batch #>> '{messages,0,id}')::bigint;

select is((select retry_at from public.notification_channels where name = 'slack'), null, 'the channel is not paused');
select is((select not_before - now() from held), interval '900 seconds', 'the message waits for as long as it was said');
select is((select row(attempts, last_error, delivered_at, failed_at)::text from held), '(1,"not now",,)', 'open, with the reason');
select is(claim_outbox(array['slack'], 10), '[]', 'nobody claims it meanwhile');
update public.outbox set not_before = now();
select is(jsonb_array_length(claim_outbox(array['slack'], 10) #> '{0,messages}'), 1, 'and it is claimed when it is due again');

select * from finish();
rollback;
