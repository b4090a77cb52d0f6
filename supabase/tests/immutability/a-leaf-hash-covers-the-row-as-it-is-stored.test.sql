begin;
select plan(8);

create type public.mood as enum ('fine', 'so so');
create domain public.short as text check (length(value) < 99);
create type public.pair as (a text, b integer);
create table public.everything (
  truth boolean, small smallint, number numeric, wide double precision, slim real, word text, fixed char(4), short public.short, mood public.mood,
  moods public.mood[], pair public.pair, at timestamptz, moment timestamp, day date, clock timetz, span interval, cost money, raw bytea,
  id uuid, doc jsonb, plain json, net inet, spans tstzmultirange, matrix integer[][], path tsvector,
  twice integer generated always as (small * 2) stored);
select private.make_immutable('everything');
insert into public.everything values (
  true, -1, 'NaN', 'Infinity', 0.1, E'a "quote", a \\ and\na line', 'ab', '', 'so so', '{fine,"so so",null}', ('x y', null), '2026-11-20 10:00:00.123456+05:45',
  'infinity', '0044-03-15 BC', '10:00+02', '1 year -2 days 03:04:05.6', 12.5, '\x00ff', '00000000-0000-4000-8000-000000000001', '{"b": 1, "a": "ü"}',
  '{"b": 1,  "b": 2}', '10.0.0.1/8', '{[2026-01-01 00:00+01,)}', '{{1,2},{3,null}}', 'a fat cat');
select is(leaf_hash, sha256('\x0001'::bytea || convert_to(
  '(t,-1,NaN,Infinity,0.1,"a ""quote"", a \\ and' || E'\n' || 'a line","ab  ","","so so","{fine,""so so"",NULL}","(""x y"",)","2026-11-20 04:15:00.123456+00",'
  || 'infinity,"0044-03-15 BC",10:00:00+02,P1Y-2DT3H4M5.6S,$12.50,"\\x00ff",00000000-0000-4000-8000-000000000001,"{""a"": ""ü"", ""b"": 1}",'
  || '"{""b"": 1,  ""b"": 2}",10.0.0.1/8,"{[""2025-12-31 23:00:00+00"",)}","{{1,2},{3,NULL}}","''a'' ''cat'' ''fat''",,1,)', 'UTF8')),
  'every type of column is hashed as the audit format says') from public.everything;

set local timezone = 'America/St_Johns';
set local datestyle = 'German';
set local intervalstyle = 'sql_standard';
set local extra_float_digits = -15;
set local bytea_output = 'escape';
set local quote_all_identifiers = on;
insert into public.everything (wide, at, day, span, raw, slim) select wide, at, day, span, raw, slim from public.everything;
select is(leaf_hash, sha256('\x0001'::bytea || convert_to(
  '(,,,Infinity,0.1,,,,,,,"2026-11-20 04:15:00.123456+00",,"0044-03-15 BC",,P1Y-2DT3H4M5.6S,,"\\x00ff",,,,,,,,,2,)', 'UTF8')),
  'whatever the session''s settings') from public.everything where immutable_seq = 2;

create function public.sign_row() returns trigger language plpgsql as $$
begin
  new.word := new.word || ', seen by ' || tg_name;
  return new;
end $$;
create trigger a_first before insert on public.everything for each row execute function public.sign_row();
create trigger zz_before_the_last before insert on public.everything for each row execute function public.sign_row();
insert into public.everything (word) values ('hello');
select is(leaf_hash, sha256('\x0001'::bytea || convert_to(
  '(,,,,,"hello, seen by a_first, seen by zz_before_the_last",,,,,,,,,,,,,,,,,,,,,3,)', 'UTF8')),
  'the row is hashed as other triggers leave it') from public.everything where immutable_seq = 3;
drop trigger a_first on public.everything;
drop trigger zz_before_the_last on public.everything;

alter table public.everything add column later text, add column later_default text default 'x';
insert into public.everything (word) values ('later');
select is(leaf_hash, sha256('\x0001'::bytea || convert_to('(,,,,,later,,,,,,,,,,,,,,,,,,,,,4,,,x)', 'UTF8')),
  'columns that were added later are hashed from then on') from public.everything where immutable_seq = 4;

alter table public.everything drop column truth;
insert into public.everything (word) values ('dropped');
select is(leaf_hash, sha256('\x0001'::bytea || convert_to('(,,,,dropped,,,,,,,,,,,,,,,,,,,,,5,,,x)', 'UTF8')),
  'columns that were dropped leave no place') from public.everything where immutable_seq = 5;

-- The verifier computes the same as the trigger did.
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';
set local intervalstyle = 'iso_8601';
set local extra_float_digits = 1;
set local bytea_output = 'hex';
set local lc_monetary = 'C';
create function pg_temp.computed(p_number bigint) returns bytea language plpgsql as $$
declare
  v_hash bytea;
begin
  execute format('select sha256(''\x0001'' || convert_to(%s, ''UTF8'')) from public.everything t where immutable_seq = $1', private.leaf_expression('public.everything'))
    into v_hash using p_number;
  return v_hash;
end $$;
select is(pg_temp.computed(5), leaf_hash, 'the expression gives what the trigger gave') from public.everything where immutable_seq = 5;

create table public.no_columns ();
select private.make_immutable('no_columns');
insert into public.no_columns default values;
select is(leaf_hash, sha256('\x0001'::bytea || convert_to('(1,)', 'UTF8')), 'a table without columns of its own has leaves too') from public.no_columns;

create table public.one_of_many (a text, b text);
select private.make_immutable('one_of_many');
insert into public.one_of_many values ('x,y', null), ('x', 'y'), (null, 'x,y'), ('', null), (null, null), (null, ''), ('"', '\'), ('""', '\\'), ('(', ')'), ('NULL', 'null');
select is((select count(distinct leaf_hash) from public.one_of_many), 10::bigint, 'different rows have different hashes');

select * from finish();
rollback;
