begin;
select plan(17);

create schema "My Shop";
create table "My Shop"."Order Lines" (line uuid default gen_random_uuid(), "Order Id" uuid, amount integer);
create table public.shelves (id text primary key, weight integer not null default 0);
create table public.boxes (id bigint primary key, shelf text references public.shelves on delete cascade on update cascade);
create table public.parcels (id bigint, country text not null) partition by list (country);
create table public.parcels_fr partition of public.parcels for values in ('fr');
create table public.letters (id bigint);
create table public.registered_letters () inherits (public.letters);
create function public.check_nothing(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$ select '', '', '', null::jsonb where false $$;
select register_invariant('A', 'check_nothing', 'P1', '{"My Shop.Order Lines": "Order Id", "shelves": "id", "boxes": "shelf", "parcels": "id", "letters": "id"}');
select run_invariant('A');

create function pg_temp.seen(p_statement text) returns text language plpgsql as $$
declare
  v_run record;
  v_invariant public.invariants;
begin
  perform run_invariant('A', 'full');
  execute p_statement;
  select * into v_invariant from public.invariants where name = 'A';
  select * into v_run from private.choose_run(v_invariant, 'incremental', now());
  delete from private.entity_changes;
  return case when v_run.mode = 'full' then v_run.reason else array(select e from unnest(v_run.entities) e order by e)::text end;
end $$;

select is((select watches::text from public.invariants where name = 'A'),
  '{"public.boxes": "shelf", "public.letters": "id", "public.parcels": "id", "public.shelves": "id", "\"My Shop\".\"Order Lines\"": "Order Id"}', 'tables are known by their full names');
select is(pg_temp.seen($$insert into public.shelves values ('a'), ('b'), ('c')$$), '{a,b,c}', 'an insert is seen');
select is(pg_temp.seen($$update public.shelves set weight = 1 where id = 'a'$$), '{a}', 'an update is seen');
select is(pg_temp.seen($$update public.shelves set id = 'd' where id = 'b'$$), '{b,d}', 'one that changes the key changes two entities');
select is(pg_temp.seen($$insert into public.shelves values ('a'), ('e') on conflict (id) do update set weight = 2$$), '{a,e}', 'an upsert is seen');
select is(pg_temp.seen($$merge into public.shelves s using (values ('a'), ('d'), ('f')) v (id) on s.id = v.id
  when matched and s.id = 'a' then delete when matched then update set weight = 3 when not matched then insert (id) values (v.id)$$), '{a,d,f}', 'a merge is seen');
select is(pg_temp.seen($$delete from public.shelves where id = 'f'$$), '{f}', 'a delete is seen');
select is(pg_temp.seen($$update public.shelves set weight = 1 where false$$), '{}', 'what changed no row is nothing');
select pg_temp.seen($$insert into public.boxes values (1, 'c'), (2, null)$$);
select is(pg_temp.seen($$delete from public.shelves where id = 'c'$$), '{c}', 'a cascade is seen');
select is(pg_temp.seen($$insert into public.boxes select i, 'd' from generate_series(10, 30) i$$), '{d}', 'so are many rows in one statement');
select is(pg_temp.seen($$update public.boxes set shelf = 'e' where id > 2$$), '{d,e}', 'with old and new keys');
select is(pg_temp.seen($$insert into "My Shop"."Order Lines" ("Order Id") values ('3F0C6A52-6f0e-4c57-9b0a-1c1b7e6f9d10')$$), '{3f0c6a52-6f0e-4c57-9b0a-1c1b7e6f9d10}',
  'names that need quotes and keys that are no text are as good');
select is(pg_temp.seen($$insert into public.parcels values (1, 'fr'); insert into public.parcels_fr values (2, 'fr')$$), '{1,2}', 'a partition is watched with its table');
select is(pg_temp.seen($$insert into public.registered_letters values (3)$$), '{3}', 'so is a child that inherits from it');
select is(pg_temp.seen($$truncate public.boxes$$), 'everything', 'a truncate may have changed everything');
select is(pg_temp.seen($$insert into public.boxes select i, 'd' from generate_series(1, 100001) i$$), 'everything', 'so may a statement of more than 100,000 rows, whose keys are not kept');

grant insert on public.shelves to anon;
select is(pg_temp.seen($$set local role anon; insert into public.shelves values ('z'); reset role$$), '{z}', 'whoever changes a table needs no right of ours');

select * from finish();
rollback;
