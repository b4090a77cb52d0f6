begin;
select plan(14);

create table public.deeds (deed text);
select private.make_immutable('deeds');
-- A block that brings the log to this size, as sealing would.
create function pg_temp.seal(p_number bigint, p_size bigint, p_root text) returns void language sql as $$
  insert into public.audit_blocks (table_name, number, first_seq, last_seq, voids, first_position, rows, size, root, frontier, leaves, columns, prev_hash, row_hash)
  values ('deeds', p_number, p_number, p_number, '{}', p_size - 1, 1, p_size, sha256(p_root::bytea), '', sha256(''), '{}', '', '');
$$;
create function pg_temp.asked() returns text[] language sql as $$
  select array(select channel from public.outbox where kind = 'checkpoint' and delivered_at is null and failed_at is null order by 1)
$$;
create function pg_temp.publish(p_place text) returns void language sql as $$
  select public.record_publication('deeds', p_place, (public.audit_head('deeds') ->> 'size')::bigint, public.audit_head('deeds') ->> 'root', 'note');
  update public.outbox set delivered_at = now() where channel = p_place;
$$;

update public.notification_channels set enabled = true where name in ('store', 'witness');
select private.publish('deeds');
select is(pg_temp.asked(), '{}', 'nobody is asked to publish a log without rows');

select pg_temp.seal(1, 1, 'first');
update public.notification_channels set enabled = false where purpose = 'checkpoints';
select private.publish();
select is(pg_temp.asked(), '{}', 'nor while no place is enabled');

update public.notification_channels set enabled = true where name in ('store', 'witness');
select private.publish();
select is(pg_temp.asked(), '{store, witness}', 'every place that is enabled is asked');
select private.publish();
select private.publish('deeds');
select is(pg_temp.asked(), '{store, witness}', 'once');
select is((select payload from public.outbox where channel = 'store'), '{"table_name": "deeds"}', 'for the log, whatever its size is by then');

select pg_temp.publish('store');
select private.publish();
select is(pg_temp.asked(), '{witness}', 'a place that has the newest checkpoint is left alone');
select pg_temp.publish('witness');

select pg_temp.seal(2, 2, 'second');
update public.outbox set attempts = 9, last_error = 'HTTP 503';
select private.publish('deeds');
select is(pg_temp.asked(), '{store, witness}', 'a log that grew is published again');
select is((select count(*)::integer from public.outbox where kind = 'checkpoint'), 2, 'by the same two messages');
select is((select array_agg(attempts) from public.outbox where kind = 'checkpoint'), '{0, 0}', 'whose attempts are counted anew');

select pg_temp.publish('store');
select pg_temp.publish('witness');
update public.audit_publications set root = sha256('another');
select private.publish();
select is(pg_temp.asked(), '{store, witness}', 'and so is one whose root is not the published one, though it has the same size');

update public.outbox set failed_at = now() where channel = 'store';
select private.publish();
select is(pg_temp.asked(), '{store, witness}', 'a message that somebody gave up is taken up again');

select private.tell('damage', 'a', '{}');
select is(
  (select array_agg(channel order by channel) from public.outbox where kind = 'damage'), '{slack, teams}',
  'what people are told goes to people only');
select is(
  (select command from public.timers where name = 'publish-checkpoints'), 'select private.publish()', 'the timer asks for what nobody asked for');
select is(
  (select array_agg(name order by name) from public.notification_channels where purpose = 'checkpoints'), '{chain, store, witness}',
  'the places are those of the registry');

select * from finish();
rollback;
