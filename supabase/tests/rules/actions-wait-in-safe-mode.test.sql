begin;
select plan(9);

select tests.stand_in_for_pg_net();
create function pg_temp.calls_of_the_timer() returns bigint language plpgsql as $$
begin
  delete from net.calls;
  execute (select command from public.timers where name = 'run-rules');
  return (select count(*) from net.calls where url like '%/functions/v1/run-rules');
end $$;

-- What happened before there was a rule is passed over.
select pg_temp.calls_of_the_timer();
select tests.rule('a');
update public.system_mode set mode = 'safe';
select is(tests.fire('a', 'e1'), 'fired', 'rules fire in safe mode');
select is((select state from public.action_runs), 'queued', 'and their actions are queued');
select is(claim_outbox('{webhook}', 9), '[]', 'but nobody gets them to do');
select is(pg_temp.calls_of_the_timer(), 0::bigint, 'and they wake nobody');
select record_events('[{"data": {}}]');
select is(pg_temp.calls_of_the_timer(), 1::bigint, 'as an event does');
select finish_events((claim_events(500, 30) ->> 'epoch')::integer, array(select id from public.rule_events), '[]');
select is(claim_outbox('{slack}', 9) #>> '{0,messages,0,kind}', 'safe_mode_on', 'people are told what happens');

update public.system_mode set mode = 'normal';
select is(pg_temp.calls_of_the_timer(), 1::bigint, 'when it is over the actions wake the rules');
select is(claim_outbox('{webhook}', 9) #>> '{0,messages,0,kind}', 'action', 'and are done');
select is((select attempts from public.outbox where kind = 'action'), 0, 'for the first time');
select * from finish();
rollback;
