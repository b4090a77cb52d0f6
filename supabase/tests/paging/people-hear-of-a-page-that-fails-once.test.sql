begin;
select plan(14);

insert into public.incidents (dedup_key, priority, status, source, title, details, snapshot, checked_at, opened_at)
select 'invariant:' || name, 'P1', 'ESCALATED', 'invariant', name || ' is violated', '{"detail": "a detail"}', '{}', now(), now()
from unnest('{A,B,C}'::text[]) name;
update public.notification_channels set enabled = true where name = 'pagerduty';

create function pg_temp.page(p_incident text, p_action text) returns void language sql as $$
  select private.page(p_action, i) from public.incidents i where i.dedup_key = 'invariant:' || p_incident
$$;
-- What becomes of the oldest page that waits.
create function pg_temp.attempt(p_outcome text, p_error text default null) returns boolean language sql as $$
  update public.notification_channels set retry_at = null where name = 'pagerduty';
  select finish_outbox('pagerduty', (c ->> 'epoch')::integer, jsonb_build_array(jsonb_build_object(
    'id', c #> '{messages,0,id}', 'outcome', p_outcome, 'error', p_error, 'retry_after_seconds', case p_outcome when 'retry' then 60 end)))
  from (select claim_outbox(array['pagerduty'], 10) -> 0 as c) claimed
$$;
create function pg_temp.told() returns text[] language sql as $$
  select array(select format('%s %s %s', o.payload ->> 'dedup_key', o.payload ->> 'error', o.payload ->> 'given_up')
    from public.outbox o where o.kind = 'page_failed' and o.channel = 'slack' order by o.id)
$$;
create function pg_temp.recorded() returns text[] language sql as $$
  select array(select a.result || ' ' || (a.payload ->> 'error') from public.audit_log a where a.action = 'page.failed' order by a.immutable_seq)
$$;

select pg_temp.page('A', 'trigger');
select pg_temp.attempt('retry', 'HTTP 503');
select is(pg_temp.told(), '{invariant:A HTTP 503 false}', 'the first failed attempt is told on the other channels');
select is((select count(*) from public.outbox where kind = 'page_failed'), 2::bigint, 'on each of them');
select pg_temp.attempt('retry', 'HTTP 503');
select is(pg_temp.told(), '{invariant:A HTTP 503 false}', 'the next one is not');

select pg_temp.page('B', 'trigger'), pg_temp.page('A', 'acknowledge');
select pg_temp.attempt('retry', 'egress.timeout');
select is((pg_temp.told())[2:], '{invariant:B egress.timeout false}', 'a page that waits behind it is told as well: nobody was woken by it');
select is((select array_agg(payload ->> 'action' order by id) from public.outbox where kind = 'page' and delivered_at is null), '{trigger,trigger,acknowledge}',
  'all of it still waits, in order');

select pg_temp.attempt('delivered'), pg_temp.attempt('delivered'), pg_temp.attempt('retry', 'HTTP 503'), pg_temp.attempt('dead', 'HTTP 400');
select is(cardinality(pg_temp.told()), 2, 'an acknowledgement that fails wakes nobody either way, and is not told');

select pg_temp.page('C', 'trigger');
select pg_temp.attempt('dead', 'HTTP 400: Invalid routing key');
select is((pg_temp.told())[3:], array['invariant:C HTTP 400: Invalid routing key true'], 'a refusal says that the page is not sent again');
select is((select payload ->> 'channel' from public.outbox where kind = 'page_failed' order by id desc limit 1), 'pagerduty', 'and which channel failed');

update public.incidents set reopened = 1 where dedup_key = 'invariant:A';
select pg_temp.page('A', 'trigger');
select is(reject_outbox(array['pagerduty']), 1, 'without a key the page becomes a dead letter');
select matches((pg_temp.told())[4], '^invariant:A channel\.not_configured.* true$', 'which is told for the new opening of the incident');
select is(pg_temp.recorded(), array['retry HTTP 503', 'retry egress.timeout', 'dead HTTP 400: Invalid routing key',
  'dead channel.not_configured: set the channel''s webhook URL or key, or disable it in notification_channels.'], 'all of it is on record');

update public.notification_channels set enabled = false where purpose = 'people';
update public.incidents set reopened = 1 where dedup_key = 'invariant:B';
select pg_temp.page('B', 'trigger');
select pg_temp.attempt('retry', 'HTTP 503'), pg_temp.attempt('retry', 'HTTP 502');
select is(cardinality(pg_temp.told()), 4, 'where no channel to people is enabled, nobody is told');
select is((pg_temp.recorded())[5:], array['retry HTTP 503'], 'but it is on record, once');
select is((select count(*) from public.outbox where kind = 'page' and delivered_at is null and failed_at is null), 1::bigint, 'and the page still waits');

select * from finish();
rollback;
