begin;
select plan(15);

select tests.stand_in_for_pg_net();

create function pg_temp.calls() returns bigint language sql as $$
  with taken as (delete from net.calls where url like '%/functions/v1/run-rules' returning 1) select count(*) from taken
$$;
create function pg_temp.calls_of_the_timer() returns bigint language plpgsql as $$
begin
  perform pg_temp.calls();
  execute (select command from public.timers where name = 'run-rules');
  return pg_temp.calls();
end $$;
create function pg_temp.evaluate() returns void language sql as $$
  select finish_events((claim_events(500, 30) ->> 'epoch')::integer, array(select id from public.rule_events), '[]')
$$;

select record_events('[{"data": {}}]');
select is(pg_temp.calls(), 0::bigint, 'where no rule is active, an event wakes nobody');
select is(pg_temp.calls_of_the_timer(), 0::bigint, 'nor does the timer');
select is((select count(*) from public.rule_events where evaluated_at is null), 0::bigint, 'which passes over it');

select tests.rule('a');
select is(pg_temp.calls_of_the_timer(), 0::bigint, 'nothing is due: the rules sleep');
select evaluate_events('[{"id": "seen", "data": {}}]', '[]');
select is(pg_temp.calls(), 0::bigint, 'an event that was evaluated on the way in wakes nobody');
select record_events('[{"data": {}}]'), record_events('[{"data": {}}]');
select is(pg_temp.calls(), 1::bigint, 'the first event that waits wakes the rules, once in a transaction');
select is(pg_temp.calls_of_the_timer(), 1::bigint, 'and the timer does, until it is evaluated');
select set_config('rules.evaluation_is_called', '', true);
update public.rule_events set created_at = now() - interval '1 second';
select record_events('[{"data": {}}]');
select is(pg_temp.calls(), 0::bigint, 'one that comes behind others does not');

select claim_events(500, 30);
select is(pg_temp.calls_of_the_timer(), 0::bigint, 'while a worker is at it, nobody else is woken');
update private.event_cursor set leased_until = now();
select is(pg_temp.calls_of_the_timer(), 1::bigint, 'when it died, somebody is');
select pg_temp.evaluate();
select is(pg_temp.calls_of_the_timer(), 0::bigint, 'then they sleep');

select private.audit('rules', 'system', 'action.failed', 'rule:a', 'failed');
select seal_audit('audit_log');
select is(pg_temp.calls_of_the_timer(), 0::bigint, 'what rules did themselves wakes nobody');
select is((select audit_seq from private.event_cursor), (select max(immutable_seq) from public.audit_log), 'and is passed over');
select tests.fire('a', 'e1');
select is(pg_temp.calls_of_the_timer(), 1::bigint, 'an action that is queued wakes them');
update public.outbox set not_before = now() + interval '1 minute' where kind = 'action';
select is(pg_temp.calls_of_the_timer(), 0::bigint, 'one that has to wait does not');

select * from finish();
rollback;
