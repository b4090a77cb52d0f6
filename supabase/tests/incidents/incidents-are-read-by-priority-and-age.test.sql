begin;
select plan(10);

insert into public.incidents (dedup_key, priority, status, source, title, details, snapshot, checked_at, opened_at, resolved_at, resolved_by)
select 'scan:' || n, priority, status, source, 'A title', '{}', '{}', now(), tests.at(make_interval(hours => -n)), case when status in ('RESOLVED', 'CLOSED') then now() end,
  case when status in ('RESOLVED', 'CLOSED') then 'ada' end
from (values (1, 'P2', 'AUTO_HEALING', 'scan'), (2, 'P2', 'ESCALATED', 'timer'), (3, 'P3', 'AUTO_HEALING', 'scan'), (4, 'P1', 'ACKNOWLEDGED', 'scan'), (5, 'P1', 'RESOLVED', 'scan'), (6, 'P1', 'CLOSED', 'scan'))
  v (n, priority, status, source);
create function pg_temp.read(p_status text[] default null, p_priority text[] default null, p_source text default null, p_before bigint default null, p_limit integer default 50)
returns text language sql as $$
  select (select string_agg(i.value ->> 'dedup_key', ' ' order by i.ordinality) from jsonb_array_elements(answer -> 'incidents') with ordinality i)
    || coalesce(', then ' || (select dedup_key from public.incidents where id = (answer ->> 'next')::bigint), '')
  from read_incidents(p_status, p_priority, p_source, p_before, p_limit) answer
$$;
create function pg_temp.id(p_n integer) returns bigint language sql as $$ select id from public.incidents where dedup_key = 'scan:' || p_n $$;

select is(pg_temp.read(), 'scan:4 scan:2 scan:1 scan:3', 'open incidents are listed, the gravest and of those the oldest first');
select is(pg_temp.read(p_status => '{RESOLVED,CLOSED,ESCALATED}'), 'scan:6 scan:5 scan:2', 'or those of the statuses that are asked for');
select is(pg_temp.read(p_priority => '{P2}'), 'scan:2 scan:1', 'or priorities');
select is(pg_temp.read(p_priority => '{P1,P2}', p_source => 'timer'), 'scan:2', 'or sources');
select is(pg_temp.read(p_limit => 2), 'scan:4 scan:2, then scan:2', 'a page says where the next one begins');
select is(pg_temp.read(p_limit => 2, p_before => pg_temp.id(2)), 'scan:1 scan:3', 'which goes on there; the last one says nothing');
select is(pg_temp.read(p_limit => 0), 'scan:4, then scan:4', 'a page has one incident at least');
select is(read_incidents(p_source => 'audit'), '{"incidents": [], "next": null}', 'there may be none');
select throws_ok('select read_incidents(p_before => -1)', 'PT404', null, 'a page after an incident that is not there is refused');
select is(read_incident(pg_temp.id(4)) ->> 'snapshot', '{}', 'one incident is read with its snapshot');

select * from finish();
rollback;
