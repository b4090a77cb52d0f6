begin;
select plan(16);

create table public.shelves (id bigint primary key, weight integer not null default 0);
create function public.check_shelves(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$
  select s.id::text, 'at least 0', s.weight::text, null::jsonb from public.shelves s
  where s.weight < 0 and (p_entities is null or s.id = any (p_entities::bigint[]))
$$;
create function pg_temp.run(p_name text default 'A', p_mode text default 'auto', p_after interval default '0') returns text language plpgsql as $$
begin
  perform run_invariant(p_name, p_mode, p_now => now() + p_after);
  delete from private.entity_changes;
  return (select r.mode || ', ' || r.reason from public.invariant_runs r order by r.id desc limit 1);
end $$;
insert into public.shelves select generate_series(1, 10000);
analyze public.shelves;

select register_invariant('UNWATCHED', 'check_shelves', 'P1');
select is(pg_temp.run('UNWATCHED') || '; ' || pg_temp.run('UNWATCHED'), 'full, unwatched; full, unwatched', 'without watches every run is a full one');

select register_invariant('A', 'check_shelves', 'P1', '{"shelves": "id"}');
select is(pg_temp.run(), 'full, first', 'the first run is a full one');
select is(pg_temp.run(), 'incremental, changes', 'the next one is not');
select is(pg_temp.run('A', 'full'), 'full, asked', 'a person can ask for one');

update public.shelves set weight = 1 where id <= 2000;
select is(pg_temp.run(), 'incremental, changes', 'a fifth of the entities is looked at one by one');
update public.shelves set weight = 1 where id <= 2001;
select is(pg_temp.run(), 'full, many', 'when there are more, all are');
update public.shelves set weight = 1 where id <= 2001;
select is(pg_temp.run('A', 'incremental'), 'incremental, changes', 'unless a person asks for these');

truncate public.shelves;
select is(pg_temp.run('A', 'incremental'), 'full, everything', 'after a truncate all are looked at, whatever a person asks for');

update public.invariants set watermark = '9000000000000:9000000000000:' where name = 'A';
select is(pg_temp.run(), 'full, restored', 'after the database was restored elsewhere all are looked at');

alter table public.shelves disable trigger entity_changes_1_insert;
select is(pg_temp.run(), 'full, unseen', 'while changes are not recorded all are looked at');
alter table public.shelves enable always trigger entity_changes_1_insert;
alter table public.shelves rename column id to number;
select is(pg_temp.run(), 'full, unseen', 'so they are when what names the entity was renamed');
alter table public.shelves rename column number to id;
select pg_temp.run();

select register_invariant('B', 'check_shelves', 'P1', '{"shelves": "id"}');
select is((pg_temp.run('B'), pg_temp.run('B'))::text, '("full, first","incremental, changes")', 'every invariant has a watermark of its own');
-- Its check gives no answer any more; the others do not wait for it.
insert into public.invariants (name, priority, check_function, watches, full_at, watermark, last_ok_at, last_run_at)
values ('STUCK', 'P1', 'public.unknown', '{"public.shelves": "id"}', now() - interval '7 hours', pg_current_snapshot(), now() - interval '5 minutes', now());
update public.invariants set full_at = now() - interval '5 hours' where name in ('A', 'B');
select is(pg_temp.run('A', p_after => '59 minutes'), 'incremental, changes', 'for six hours what changed is enough');
select is((pg_temp.run('B', p_after => '2 hours'), pg_temp.run('A', p_after => '2 hours'))::text, '("incremental, changes","full, recheck")', 'then everything is looked at again, the oldest first');
select is(pg_temp.run('B', p_after => '2 hours'), 'incremental, changes', 'one invariant in a cycle');
select is(pg_temp.run('B', p_after => '2 hours 5 minutes'), 'full, recheck', 'and the next one in the next cycle');

select * from finish();
rollback;
