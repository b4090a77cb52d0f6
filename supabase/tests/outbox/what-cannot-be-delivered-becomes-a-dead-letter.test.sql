begin;
select plan(6);

select private.tell('failure', 'a', '{}');
create temp table claim as select claim_outbox(array['slack'], 10) -> 0 as batch;
select finish_outbox('slack', 1, jsonb_build_array(
  jsonb_build_object('id', batch #> '{messages,0,id}', 'outcome', 'dead', 'error', 'HTTP 400 invalid_blocks'))) from claim;

select isnt((select failed_at from public.outbox where channel = 'slack'), null, 'the message is kept as a dead letter');
select is(claim_outbox(array['slack'], 10), '[]', 'and is not tried again');
select is((select count(*) from public.audit_log where action = 'message.given_up'), 1::bigint, 'the audit log says so');

select is(reject_outbox(array['teams']), 1, 'what waits for a channel that nobody configured is rejected and counted');
select is(reject_outbox(array['teams']), 0, 'only once');
select matches((select last_error from public.outbox where channel = 'teams'), '^channel\.not_configured', 'it says what is missing');

select * from finish();
rollback;
