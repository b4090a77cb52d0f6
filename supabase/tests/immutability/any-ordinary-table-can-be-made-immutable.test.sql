begin;
select plan(40);

create function pg_temp.refused(p_table text) returns text language plpgsql as $$
declare
  v_hint text;
begin
  perform private.make_immutable(p_table);
  return 'accepted';
exception when others then
  get stacked diagnostics v_hint = pg_exception_hint;
  return case when sqlstate in ('PT404', 'PT422') then v_hint else format('%s: %s', sqlstate, sqlerrm) end;
end $$;
-- Every row is numbered, hashed and sealed, and cannot be changed any more.
create function pg_temp.is_sound(p_table text) returns text language plpgsql as $$
declare
  v_class regclass := private.find_table(p_table);
  v_rows bigint;
  v_wrong bigint;
begin
  perform set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, YMD', true), set_config('intervalstyle', 'iso_8601', true);
  execute format('select count(*), count(*) filter (where leaf_hash <> sha256(''\x0001'' || convert_to(%s, ''UTF8'')) or immutable_seq < 1) from %s t',
    private.leaf_expression(v_class), v_class) into v_rows, v_wrong;
  perform seal_audit(p_table);
  if v_wrong > 0 then
    return format('%s of %s rows have a wrong number or hash', v_wrong, v_rows);
  elsif v_rows <> (select sum(rows) from public.audit_blocks where table_name = (private.immutable_table(p_table)).name) then
    return 'not every row was sealed';
  end if;
  execute format('delete from %s', v_class);
  return 'rows were deleted';
exception when sqlstate 'PT403' then
  return format('%s rows', v_rows);
end $$;

-- What cannot be.
create view public.a_view as select 1 as one;
create materialized view public.a_materialized_view as select 1 as one;
create table public.a_partitioned (id integer) partition by range (id);
create table public.a_partition partition of public.a_partitioned for values from (1) to (9);
create unlogged table public.an_unlogged (id integer);
create temp table a_temporary (id integer);
create table public.a_parent (id integer);
create table public.a_child () inherits (public.a_parent);
create sequence public.a_sequence;
create table public."with.dot" (id integer);
create schema "dotted.schema";
create table "dotted.schema".notes (id integer);
create table public.text_number (immutable_seq text);
create table public.text_hash (leaf_hash text);
create table public.no_number (immutable_seq integer);
insert into public.no_number values (1), (null);
create table public.negative_number (immutable_seq bigint);
insert into public.negative_number values (-1);
create table public.late_trigger (id integer);
create trigger zzz_last before insert on public.late_trigger for each row execute function private.refuse_change();
create table public.owner_of_the_sequence (id integer);
create sequence public.robbed_immutable_seq owned by public.owner_of_the_sequence.id;
create table public.robbed (id integer);
select is(pg_temp.refused(name), code, format('%s: %s', name, code)) from (values
  ('nothing', 'audit.table_unknown'), ('', 'audit.table_unknown'), (null, 'audit.table_unknown'), ('a.b.c', 'audit.table_unknown'),
  ('nowhere.nothing', 'audit.table_unknown'), ('"unbalanced', 'audit.table_unknown'), ('receipts; drop table receipts', 'audit.table_unknown'),
  ('a_view', 'audit.table_unsuitable'), ('a_materialized_view', 'audit.table_unsuitable'), ('a_partitioned', 'audit.table_unsuitable'),
  ('a_partition', 'audit.table_unsuitable'), ('an_unlogged', 'audit.table_unsuitable'), ('pg_temp.a_temporary', 'audit.table_unsuitable'),
  ('a_temporary', 'audit.table_unknown'), ('a_parent', 'audit.table_unsuitable'), ('a_child', 'audit.table_unsuitable'),
  ('a_sequence', 'audit.table_unsuitable'), ('with.dot', 'audit.table_unsuitable'), ('dotted.schema.notes', 'audit.table_unsuitable'),
  ('text_number', 'audit.table_unsuitable'), ('text_hash', 'audit.table_unsuitable'), ('no_number', 'audit.table_unsuitable'),
  ('negative_number', 'audit.table_unsuitable'), ('late_trigger', 'audit.table_unsuitable'), ('robbed', 'audit.table_unsuitable')
) t (name, code);
select is((select count(*) from public.immutable_tables where name ~ 'a_|text|number|late|robbed|dot'), 0::bigint, 'none of them is registered');

-- Rows that are there are numbered and hashed, and no trigger hears of it.
create table public.filled (id integer primary key, at timestamptz default now(), doubled integer generated always as (id * 2) stored);
insert into public.filled select * from generate_series(1, 1000);
create function public.refuse() returns trigger language plpgsql as 'begin raise exception ''not you''; end';
create trigger filled_refuses before update or insert on public.filled for each row execute function public.refuse();
create trigger filled_sleeps before insert on public.filled for each row execute function public.refuse();
alter table public.filled disable trigger filled_sleeps;
set local timezone = 'Asia/Kathmandu';
set local datestyle = 'SQL, DMY';
select private.make_immutable('filled');
select is(pg_temp.is_sound('filled'), '1000 rows', 'rows that the table has are numbered and hashed');
select is((select count(distinct immutable_seq) from public.filled), 1000::bigint, 'each has a number of its own');
select is((select tgenabled from pg_trigger where tgname = 'filled_sleeps'), 'D', 'triggers that were disabled stay so');

-- A table as the seed of the idea has it.
create sequence public.seeded_immutable_seq start 1 cache 20;
create table public.seeded (id uuid primary key default gen_random_uuid(), immutable_seq integer not null unique default nextval('public.seeded_immutable_seq'));
insert into public.seeded select from generate_series(1, 30);
select private.make_immutable('public.seeded');
insert into public.seeded default values;
select is(pg_temp.is_sound('seeded'), '31 rows', 'a table that numbers its rows already keeps their numbers');
select ok((select max(immutable_seq) > 30 and pg_typeof(max(immutable_seq)) = 'bigint'::regtype from public.seeded), 'and goes on after them, with room for more');
select is((select seqcache from pg_sequence where seqrelid = 'public.seeded_immutable_seq'::regclass), 1::bigint, 'no session keeps numbers in advance');
create table public.with_identity (immutable_seq integer generated by default as identity, note text);
insert into public.with_identity (note) values ('one'), ('two');
select private.make_immutable('with_identity');
insert into public.with_identity (note) values ('three');
select is(pg_temp.is_sound('with_identity'), '3 rows', 'so does one whose numbers are an identity');

-- Names.
create schema "Other";
create table "Other"."My ""Log""" ("A column" text, "t.x" text);
create table public."Quoted ünd läng, so that names made of it do not fit" (id integer);
select private.make_immutable('Other.My "Log"'), private.make_immutable('Quoted ünd läng, so that names made of it do not fit');
insert into "Other"."My ""Log""" values ('a', 'b');
insert into public."Quoted ünd läng, so that names made of it do not fit" values (1);
select is(pg_temp.is_sound('"Other"."My ""Log"""'), '1 rows', 'a table in another schema, with quotes and capitals in its name');
select is(pg_temp.is_sound('Quoted ünd läng, so that names made of it do not fit'), '1 rows', 'a long name');
select is((private.immutable_table('PUBLIC.Receipts')).name, 'receipts', 'a table is found as SQL would find it');

create role "App owner";
grant "App owner" to postgres;
create table public.of_the_app (name text);
insert into public.of_the_app values ('one');
grant create on schema public to "App owner";
alter table public.of_the_app owner to "App owner";
select private.make_immutable('of_the_app');
select is(pg_temp.is_sound('of_the_app'), '1 rows', 'a table of another owner');

-- Twice.
create view public.seen as select immutable_seq, leaf_hash from public.filled;
insert into public.seeded default values;
select seal_audit('seeded');
select private.make_immutable(name) from unnest('{filled, seeded, public.with_identity}'::text[]) name;
insert into public.seeded default values;
select is((select array_agg(pg_temp.is_sound(name)) from unnest('{filled, seeded, with_identity}'::text[]) name), '{1000 rows,33 rows,3 rows}', 'it can be repeated');

select nextval('public.seeded_immutable_seq');
select seal_audit('seeded');
select private.make_immutable('seeded');
insert into public.seeded default values;
select is(pg_temp.is_sound('seeded'), '34 rows', 'repeating it gives no number twice that was sealed as void');

alter table public.filled disable trigger all;
drop trigger immutable_guard on public.filled;
select private.make_immutable('filled');
drop trigger filled_refuses on public.filled;
select is(pg_temp.is_sound('filled'), '1000 rows', 'repeating it repairs the guard');

select * from finish();
rollback;
