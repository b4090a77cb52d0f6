begin;
select plan(7);

insert into public.incidents (dedup_key, priority, status, source, title, details, snapshot, checked_at, opened_at)
values ('invariant:A', 'P1', 'ESCALATED', 'invariant', 'A is violated', '{"detail": "sale 17: expected 1000, found 900", "count": 3}', '{}', now(), now());

create function pg_temp.pages() returns text[] language sql as $$
  select coalesce(array_agg(o.payload ->> 'action' order by o.id), '{}') from public.outbox o where o.kind = 'page'
$$;

select private.page('trigger', i) from public.incidents i;
select is(pg_temp.pages(), '{}', 'nobody is paged before a channel for pages is enabled');

update public.notification_channels set enabled = true where name = 'pagerduty';
select private.page('acknowledge', i) from public.incidents i;
select is(pg_temp.pages(), '{}', 'what was not triggered is neither acknowledged nor resolved');

select private.page(action, i) from public.incidents i, unnest('{trigger,trigger,acknowledge,acknowledge,resolve,resolve}'::text[]) with ordinality a (action, position) order by position;
select is(pg_temp.pages(), '{trigger,acknowledge,resolve}', 'each of it is written once, in order');
select is((select distinct channel from public.outbox), 'pagerduty', 'for the pager only');
select is((select payload - 'opened_at' from public.outbox where payload ->> 'action' = 'trigger'),
  jsonb_build_object('action', 'trigger', 'incident_id', (select id from public.incidents), 'dedup_key', 'invariant:A', 'priority', 'P1',
    'title', 'A is violated', 'detail', 'sale 17: expected 1000, found 900', 'count', 3),
  'a page carries the facts that it is made of');

update public.incidents set reopened = 1;
select private.page('resolve', i) from public.incidents i;
select is(pg_temp.pages(), '{trigger,acknowledge,resolve}', 'when it is opened again, it is triggered before it is resolved');
select private.page(action, i) from public.incidents i, unnest('{trigger,resolve}'::text[]) with ordinality a (action, position) order by position;
select is(pg_temp.pages(), '{trigger,acknowledge,resolve,trigger,resolve}', 'and each of it is written once more');

select * from finish();
rollback;
