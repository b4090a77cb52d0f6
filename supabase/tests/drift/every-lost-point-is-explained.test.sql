begin;
select plan(12);

delete from public.invariants;
create function pg_temp.known(p_name text, p_priority text, p_violations bigint) returns void language sql as $$
  insert into public.invariants (name, priority, check_function, last_run_at, last_ok_at, open_violations)
  values (p_name, p_priority, 'public.unknown', now(), now(), p_violations)
  on conflict (name) do update set open_violations = excluded.open_violations
$$;
create function pg_temp.points(p_priority text, p_violations bigint) returns text language plpgsql as $$
begin
  delete from public.invariants;
  perform pg_temp.known('A', p_priority, p_violations);
  return (select string_agg(s ->> 'score', ' ') from score_drift() s);
end $$;

select is(pg_temp.points('P1', 0), '100', 'what holds costs nothing');
select is(array(select pg_temp.points(p, 1) from unnest('{P1, P2, P3, P4}'::text[]) p)::text, '{75,90,96,99}', 'a violation costs 25, 10, 4 or 1 by its priority');
select is(array(select pg_temp.points(p, 2) from unnest('{P1, P2, P3, P4}'::text[]) p)::text, '{67,86,94,98}', 'two cost 1.3 times as much, rounded up');
select is(array(select pg_temp.points(p, 9) from unnest('{P1, P2, P3, P4}'::text[]) p)::text, '{51,80,92,98}', 'nine almost twice as much');
select is(array(select pg_temp.points('P1', n) from unnest('{10, 11, 1000000}'::bigint[]) n)::text, '{50,50,50}', 'ten and more exactly twice as much');

delete from public.invariants;
select pg_temp.known('TOTALS', 'P1', 10), pg_temp.known('INVOICES', 'P1', 10), pg_temp.known('CREDIT', 'P2', 3), pg_temp.known('FINE', 'P1', 0), pg_temp.known('ORPHANS', 'P3', 7);
select is(score_drift() - 'unknown', '{"score": 0, "lost": [
  {"invariant": "INVOICES", "priority": "P1", "violations": 10, "points": 50}, {"invariant": "TOTALS", "priority": "P1", "violations": 10, "points": 50},
  {"invariant": "CREDIT", "priority": "P2", "violations": 3, "points": 0}, {"invariant": "ORPHANS", "priority": "P3", "violations": 7, "points": 0}]}',
  'no more than 100 can be lost, the most urgent first');
select pg_temp.known('TOTALS', 'P1', 1), pg_temp.known('CREDIT', 'P2', 100), pg_temp.known('ORPHANS', 'P3', 100);
select is(score_drift() - 'unknown', '{"score": 0, "lost": [
  {"invariant": "INVOICES", "priority": "P1", "violations": 10, "points": 50}, {"invariant": "TOTALS", "priority": "P1", "violations": 1, "points": 25},
  {"invariant": "CREDIT", "priority": "P2", "violations": 100, "points": 20}, {"invariant": "ORPHANS", "priority": "P3", "violations": 100, "points": 5}]}',
  'the last ones lose what is left');

delete from public.drift_scores;
insert into public.invariants (name, priority, check_function, last_run_at, last_ok_at, open_violations)
select 'I' || i, 'P' || 1 + (i * 7919) % 4, 'public.unknown', now(), now(), (i * 104729) % 30 from generate_series(1, 40) i;
create function pg_temp.switch(p_number integer) returns void language sql as $$ update public.invariants set enabled = (ascii(substr(md5(name || p_number), 1, 1)) % 5 = 0) $$;
select pg_temp.switch(i), score_drift() from generate_series(1, 50) i;
select is((select array_agg(id) from public.drift_scores d where score <> 100 - (select coalesce(sum((l ->> 'points')::integer), 0) from jsonb_array_elements(lost) l)), null,
  'the points always sum up to what is missing');
select cmp_ok((select count(distinct score) from public.drift_scores), '>', 5::bigint, 'whatever the score');

delete from public.invariants;
select pg_temp.known('A', 'P1', 1);
select score_drift(now() + interval '1 minute');
select is((select (score, lost, created_at = now() + interval '1 minute')::text from public.drift_scores order by created_at desc limit 1),
  '(75,"[{""points"": 25, ""priority"": ""P1"", ""invariant"": ""A"", ""violations"": 1}]",t)', 'the newest score is in the table');
select is((read_invariants_status() ->> 'score', read_invariants_status() #>> '{lost,0,points}', read_invariants_status() #>> '{invariants,0,name}')::text, '(75,25,A)', 'and in the status');
update public.invariants set enabled = false;
select is(score_drift() ->> 'score', null, 'what is switched off counts for nothing');

select * from finish();
rollback;
