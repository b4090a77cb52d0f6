begin;
select plan(5);

create table public.old_notes (note text);
select private.make_immutable('old_notes');
insert into public.audit_publications (table_name, place, size, root, published_at)
select 'old_notes', place, n, sha256(''), now() from generate_series(1, 5000) n, unnest('{store, chain}'::text[]) place;
insert into public.audit_publications (table_name, place, size, root) values ('old_notes', 'chain', 6000, sha256(''));
insert into public.audit_log (subsystem, actor, action, resource, result)
select 'billing', 'system', 'note.read', 'table:old_notes', 'done' from generate_series(1, 5000);

create function pg_temp.rows_read(p_table regclass) returns bigint language sql volatile as $$
  select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relid = p_table
$$;
create function pg_temp.rows_read_by(p_query text, p_table regclass) returns bigint language plpgsql as $$
declare
  v_before bigint := pg_temp.rows_read(p_table);
begin
  execute p_query;
  return pg_temp.rows_read(p_table) - v_before;
end $$;

select cmp_ok(
  pg_temp.rows_read_by($$select audit_publication('old_notes', 'store')$$, 'public.audit_publications'), '<', 10::bigint,
  'the newest checkpoint of a place is found without reading the older ones');
select is(audit_publication('old_notes', 'chain') -> 'begun' ->> 'size', '6000', 'and so is the one that was begun');
select cmp_ok(
  pg_temp.rows_read_by('select * from audit_status', 'public.audit_publications'), '<', 30::bigint,
  'nor does the state of all tables read them');
select is(
  (select checkpoints -> 'store' ->> 'size' from audit_status where table_name = 'old_notes'), '5000', 'though it names the newest');
select cmp_ok(
  pg_temp.rows_read_by($$select private.dropped_seq('old_notes')$$, 'public.audit_log'), '<', 10::bigint,
  'what was dropped is found without reading all that was logged about a table');

select * from finish();
rollback;
