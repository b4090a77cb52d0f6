begin;
select plan(6);

select tests.rule('a');
select evaluate_events('[{"id": "old", "data": {}}, {"id": "new", "data": {}}, {"id": "stuck", "data": {}}]',
  jsonb_build_array(tests.match('a', 'old'), tests.match('a', 'new'), tests.match('a', 'stuck')));
select record_events('[{"id": "waiting", "data": {}}]');
select finish_action_runs((select jsonb_agg(jsonb_build_object('id', id, 'state', 'succeeded', 'result', '{}'::jsonb)) from public.action_runs where event_id <> 'stuck'));
update public.outbox set delivered_at = now() where dedup_key in (select 'action:' || id from public.action_runs where state = 'succeeded');
update public.rule_events set created_at = now() - interval '31 days' where id <> 'new';
update public.rule_matches set matched_at = now() - interval '31 days' where event_id <> 'new';
update public.outbox set created_at = now() - interval '31 days' where kind = 'action' and dedup_key not in (select 'action:' || id from public.action_runs where event_id = 'new');
select private.tell('failure', 'old', '{}');
update public.outbox set delivered_at = now(), created_at = now() - interval '31 days' where kind = 'failure';

select lives_ok((select command from public.timers where name = 'forget-events'), 'the timer runs');
select is((select array_agg(id order by id) from public.rule_events), '{new,stuck,waiting}', 'evaluated events are forgotten after their time; those that wait, or that a queued action needs, are not');
select is((select array_agg(event_id order by event_id) from public.rule_matches), '{new,stuck}', 'what rules did about them is forgotten with them, unless an action is still queued');
select is((select array_agg(event_id order by event_id) from public.action_runs), '{new,stuck}', 'so are the actions');
select is((select array_agg(channel order by channel) from public.outbox), '{slack,teams,webhook,webhook}', 'and their messages; what people were told is none of them');

insert into public.rule_events (id, data, created_at, evaluated_at) select 'many-' || i, '{}', now() - interval '40 days', now() from generate_series(1, 50001) i;
select private.forget_events();
select is((select count(*) from public.rule_events where id like 'many-%'), 1::bigint, 'a backlog is forgotten bit by bit, so that no time limit stops it');

select * from finish();
rollback;
