begin;
select plan(8);

create table public.deeds (deed text);
select private.make_immutable('public.deeds');

create function pg_temp.root(p_byte text) returns text language sql as $$ select encode(decode(repeat(p_byte, 32), 'hex'), 'base64') $$;
create function pg_temp.begin(p_id text, p_replaces text default null, p_root text default 'aa', p_done boolean default false) returns text
language plpgsql as $$
begin
  perform record_publication('deeds', 'chain', 5, pg_temp.root(p_root), 'note of ' || p_id,
    jsonb_build_object('transactionId', p_id, 'replaces', p_replaces), p_done);
  return (select concat_ws(', ', reference ->> 'transactionId', note) from public.audit_publications where table_name = 'deeds' and place = 'chain');
end $$;

select is(pg_temp.begin('first'), 'first, note of first', 'what was begun is recorded');
select is(pg_temp.begin('second'), 'first, note of first', 'who comes second leaves it as it is');
select is(pg_temp.begin('third', 'second'), 'first, note of first', 'nothing replaces what was never recorded');
select is(pg_temp.begin('third', 'first'), 'third, note of third', 'what will never be mined is replaced');
select is(pg_temp.begin('fourth', 'first'), 'third, note of third', 'once');
select is(audit_publication('deeds', 'chain') #>> '{begun,reference,transactionId}', 'third', 'everybody reads the same');
select is(pg_temp.begin('third', null, 'aa', true), 'third, note of third', 'it is published');
select throws_ok(
  $$select pg_temp.begin('fifth', 'third', 'bb')$$, 'PT409', null, 'another log of the same size is refused once it is published');

select * from finish();
rollback;
