begin;
select plan(20);

create table public.deeds (deed text);
select private.make_immutable('deeds');
create function pg_temp.root(p_name text) returns text language sql as $$ select encode(sha256(p_name::bytea), 'base64') $$;
create function pg_temp.of(p_state text) returns jsonb language sql as $$ select audit_publication('deeds', 'store') -> p_state $$;

select is(
  audit_head('public.deeds') - 'root', '{"table": "deeds", "size": 0, "lastSeq": 0, "block": 0, "sealedAt": null}',
  'a log without blocks is empty');
select is(audit_head('deeds') ->> 'root', encode(sha256(''), 'base64'), 'and has the root of nothing');
insert into public.audit_blocks (table_name, number, first_seq, last_seq, voids, first_position, rows, size, root, frontier, leaves, columns, prev_hash, row_hash)
values ('deeds', 1, 1, 4, '{[2,3)}', 0, 3, 3, sha256('three'), '', sha256('') || sha256('') || sha256(''), '{}', '', '');
select is(
  audit_head('deeds') - 'sealedAt', jsonb_build_object('table', 'deeds', 'size', 3, 'root', pg_temp.root('three'), 'lastSeq', 4, 'block', 1),
  'the head is what the newest block says');

select is(audit_publication('deeds', 'store'), '{"published": null, "begun": null}', 'nothing was published yet');
select record_publication('deeds', 'store', 3, pg_temp.root('three'), 'note', '{"transactionId": "a"}', false);
select is(pg_temp.of('published'), 'null', 'what was begun is not published');
select is(pg_temp.of('begun') - 'begunAt', jsonb_build_object(
  'size', 3, 'root', pg_temp.root('three'), 'note', 'note', 'reference', '{"transactionId": "a"}'::jsonb, 'publishedAt', null), 'but known');
select record_publication('deeds', 'store', 3, pg_temp.root('three'), 'note', '{"block": 7}');
select is(pg_temp.of('begun'), 'null', 'when the place took it, nothing is begun any more');
select is(pg_temp.of('published') ->> 'size', '3', 'but published');
select is(pg_temp.of('published') -> 'reference', '{"block": 7}', 'with the reference of the end');
select is((audit_publication('deeds', 'witness')), '{"published": null, "begun": null}', 'each place has its own record');

select record_publication('deeds', 'store', 3, pg_temp.root('three'), 'note');
select is((select count(*)::integer from public.audit_publications), 1, 'recording it again changes nothing');
select record_publication('deeds', 'store', 12, pg_temp.root('twelve'), 'note');
select is(pg_temp.of('published') ->> 'size', '12', 'the newest counts');

create function pg_temp.code(p_statement text) returns text language plpgsql as $$
declare
  v_hint text;
begin
  execute p_statement;
  return 'no error';
exception when others then
  get stacked diagnostics v_hint = pg_exception_hint;
  return v_hint;
end $$;
select is(pg_temp.code($$select audit_head('nowhere')$$), 'audit.table_unknown', 'an unknown table is an error');
select is(pg_temp.code($$select audit_publication('outbox', 'store')$$), 'audit.not_immutable', 'and so is one that is not immutable');
select is(pg_temp.code($$select audit_publication('deeds', 'slack')$$), 'audit.place_unknown', 'people are no place for checkpoints');
select is(
  pg_temp.code($$select record_publication('deeds', 'moon', 3, pg_temp.root('three'), 'note')$$), 'audit.place_unknown', 'nor is what nobody knows');
select is(pg_temp.code($$select record_publication('deeds', 'store', 3, 'AAAA', 'note')$$), 'audit.checkpoint_invalid', 'a root has 32 bytes');
select is(
  pg_temp.code($$select record_publication('deeds', 'store', 3, pg_temp.root('other'), 'note')$$), 'checkpoint.inconsistent',
  'one size has one root');
select is(pg_temp.code($$select refuse_publication('deeds', 'slack', 'rewritten', '')$$), 'audit.place_unknown', 'a refusal has a place');
select is((select count(*)::integer from public.audit_publications), 2, 'and what was refused left nothing behind');

select * from finish();
rollback;
