-- Leaves, roots and proofs that certificate transparency's own implementations are tested with.
begin;
select plan(17);

create temp table leaf (size integer primary key, data bytea, root bytea);
insert into leaf values
  (1, '', '\x6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'),
  (2, '\x00', '\xfac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'),
  (3, '\x10', '\xaeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'),
  (4, '\x2021', '\xd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'),
  (5, '\x3031', '\x4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4'),
  (6, '\x40414243', '\x76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef'),
  (7, '\x5051525354555657', '\xddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'),
  (8, '\x606162636465666768696a6b6c6d6e6f', '\x5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328');

create function pg_temp.first_leaves(p_size integer) returns bytea language sql as
  $$ select coalesce(string_agg(sha256('\x00'::bytea || data), '' order by size), '') from leaf where size <= p_size $$;

select is(private.merkle_fold(''), sha256(''), 'the root of no leaves is the hash of nothing');
select is(private.merkle_fold((private.merkle_append(0, '', pg_temp.first_leaves(size))).frontier), root, format('%s leaves have the published root', size)) from leaf order by size;

-- A log with these leaves, in blocks of 3, 0, 4 and 1 rows with a void number here and there.
create table public.published (data bytea);
select private.make_immutable('published');
insert into public.audit_blocks (table_name, number, first_seq, last_seq, voids, first_position, rows, size, root, frontier, leaves, columns, prev_hash, row_hash)
select 'published', number, first_seq, last_seq, voids, size - rows, rows, size, '', '',
  substr(pg_temp.first_leaves(size), (size - rows) * 32 + 1), '{}', '', ''
from (values
  (1, 1, 4, '{[2,3)}'::int8multirange, 3, 3),
  (2, 5, 6, '{[5,7)}', 0, 3),
  (3, 7, 10, '{}', 4, 7),
  (4, 11, 13, '{[11,12),[13,14)}', 1, 8)) b (number, first_seq, last_seq, voids, rows, size);

create function pg_temp.hex(p_proof jsonb) returns text[] language sql as
  $$ select coalesce(array_agg(encode(decode(h, 'base64'), 'hex') order by n), '{}') from jsonb_array_elements_text(p_proof) with ordinality p (h, n) $$;

select is(
  (select array_agg(private.merkle_range('published', 0, s) order by s) from generate_series(0, 8) s),
  sha256('') || (select array_agg(root order by size) from leaf), 'each size of a log has the published root');
select is(
  (select array_agg((audit_inclusion_proof('published', seq) ->> 'position')::integer order by seq) from unnest(array[1, 3, 4, 7, 8, 9, 10, 12]) seq),
  array[0, 1, 2, 3, 4, 5, 6, 7], 'void numbers have no position');

select is(pg_temp.hex(audit_inclusion_proof('published', 1, 1) -> 'proof'), '{}', 'inclusion of the only leaf needs no proof');
select is(pg_temp.hex(audit_inclusion_proof('published', 1, 8) -> 'proof'), array[
  '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
  '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
  '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4'], 'inclusion of leaf 0 of 8');
select is(pg_temp.hex(audit_inclusion_proof('published', 9, 8) -> 'proof'), array[
  'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
  'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'], 'inclusion of leaf 5 of 8');
select is(pg_temp.hex(audit_inclusion_proof('published', 4, 3) -> 'proof'), array[
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'], 'inclusion of leaf 2 of 3');

select is(pg_temp.hex(audit_consistency_proof('published', 1, 8) -> 'proof'), array[
  '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
  '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
  '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4'], 'consistency of 1 and 8');
select is(pg_temp.hex(audit_consistency_proof('published', 6, 8) -> 'proof'), array[
  '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
  'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'], 'consistency of 6 and 8');

select * from finish();
rollback;
