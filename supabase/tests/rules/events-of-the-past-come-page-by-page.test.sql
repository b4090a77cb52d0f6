begin;
select plan(5);

insert into public.rule_events (id, data, created_at) select 'e' || i, '{}', '2999-11-01Z'::timestamptz + make_interval(mins => 10 * i) from generate_series(1, 9) i;
insert into public.audit_log (subsystem, actor, action, resource, result, created_at)
select case when i % 3 = 0 then 'rules' else 'acme' end, 'system', 'door.opened', 'door:1', 'open', '2999-11-01Z'::timestamptz + make_interval(mins => 5 + 10 * i)
from generate_series(1, 9) i order by i;
create temp table number as select min(immutable_seq) - 1 as before_them from public.audit_log where subsystem in ('acme', 'rules');

create function pg_temp.pages(p_from timestamptz, p_limit integer) returns jsonb language plpgsql as $$
declare
  v_page jsonb;
  v_pages jsonb := '[]';
begin
  loop
    v_page := public.read_events(p_from, v_page -> 'next', p_limit);
    v_pages := v_pages || jsonb_build_array(v_page -> 'events');
    exit when v_page -> 'next' = 'null' or jsonb_array_length(v_pages) > 100;
  end loop;
  return v_pages;
end $$;
create function pg_temp.ids(p_pages jsonb) returns text[] language sql as $$
  select array_agg(coalesce('a' || ((regexp_match(e ->> 'id', '^audit_log:(.*)'))[1])::bigint - n.before_them, e ->> 'id') order by p.position, q.position)
  from number n, jsonb_array_elements(p_pages) with ordinality p (page, position), jsonb_array_elements(p.page) with ordinality q (e, position)
$$;

select is(pg_temp.ids(pg_temp.pages('2999-11-01Z', 100)), '{e1,a1,e2,a2,e3,e4,a4,e5,a5,e6,e7,a7,e8,a8,e9}', 'posted events and entries of the log come as one, the oldest first, without what rules did');
select is(array(select pg_temp.ids(pg_temp.pages('2999-11-01Z', size)) from generate_series(1, 16) size group by 1),
  array(select pg_temp.ids(pg_temp.pages('2999-11-01Z', 100))), 'whatever the size of the pages');
select is(pg_temp.ids(pg_temp.pages('2999-11-01 00:50Z', 2)), '{e5,a5,e6,e7,a7,e8,a8,e9}', 'from a time on');
select is(read_events('2999-11-01 00:50Z', null, 1) #> '{events,0}', '{"id": "e5", "createdAt": "2999-11-01T00:50:00+00:00", "event": {"eventId": "e5"}}', 'as rules see them');
update public.rule_events set data = jsonb_build_object('text', repeat('x', 60000));
insert into public.rule_events (id, data, created_at) select 'f' || i, jsonb_build_object('text', repeat('x', 60000)), '2999-11-02Z' from generate_series(1, 100) i;
select ok((select count(*) > 1 and max(jsonb_array_length(page)) < 80 and sum(jsonb_array_length(page)) = 115 from jsonb_array_elements(pg_temp.pages('2999-11-01Z', 1000)) page),
  'large events come in smaller pages');

select * from finish();
rollback;
