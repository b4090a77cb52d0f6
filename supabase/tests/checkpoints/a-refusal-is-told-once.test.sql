begin;
select plan(9);

create table public.deeds (deed text);
select private.make_immutable('deeds');
create function pg_temp.told() returns text[] language sql as $$
  select array(select kind || coalesce(' ' || (payload ->> 'kind'), '') || ' ' || (payload ->> 'place') from public.outbox where channel = 'slack' order by id)
$$;

select refuse_publication('deeds', 'store', 'rewritten', 'Of 5 rows one is another.');
select refuse_publication('public.deeds', 'store', 'rewritten', 'Of 6 rows one is another.');
select is(pg_temp.told(), '{damage rewritten store}', 'people are told once, however often it is tried');
select is(
  (select payload - 'kind' from public.outbox where channel = 'slack'),
  '{"table_name": "deeds", "place": "store", "detail": "Of 5 rows one is another."}', 'of which log, where and why');
select is((select array_agg(kind) from public.audit_refusals), '{rewritten}', 'and can look it up');
select is((select array_agg(action || ' ' || result) from public.audit_log where resource = 'table:deeds'), '{checkpoint.refused rewritten}', 'in the audit log, too');

select refuse_publication('deeds', 'store', 'tail_cut', 'Of 5 rows 3 are left.');
select refuse_publication('deeds', 'witness', 'tail_cut', 'It has seen 5 rows.');
select is(
  pg_temp.told(), '{damage rewritten store, damage tail_cut store, damage tail_cut witness}',
  'another reason, or another place, is told of its own');

select record_publication('deeds', 'store', 3, encode(sha256(''), 'base64'), 'note', '{}', false);
select is((select count(*)::integer from public.audit_refusals), 2, 'beginning to publish ends no refusal');
select record_publication('deeds', 'store', 3, encode(sha256(''), 'base64'), 'note');
select is((select array_agg(place) from public.audit_refusals), '{witness}', 'a place that takes a checkpoint again does');
select is((pg_temp.told())[4], 'damage_over store', 'and people hear of it');
select record_publication('deeds', 'store', 4, encode(sha256(''), 'base64'), 'note');
select is(cardinality(pg_temp.told()), 4, 'once');

select * from finish();
rollback;
