begin;
select plan(16);

create table public.log (name text);
create table public.ordinary (name text);
select private.make_immutable('public.log');
create function pg_temp.refusal(p_call text) returns text language plpgsql as $$
declare
  v_hint text;
begin
  execute p_call;
  return 'no refusal';
exception when others then
  get stacked diagnostics v_hint = pg_exception_hint;
  return concat_ws(' ', sqlstate, v_hint);
end $$;

select is(verify_audit_integrity('log') ->> 'valid', 'true', 'a log without rows is sound');
select is(audit_ranges('log'), '[{"first_block": 1, "last_block": null, "rows": 0}]', 'and is one range');
insert into public.log (name) values ('one');
select public.seal_audit('log');

select is(pg_temp.refusal($$select verify_audit_integrity('nowhere')$$), 'PT404 audit.table_unknown', 'a table that does not exist');
select is(pg_temp.refusal($$select verify_audit_integrity('ordinary')$$), 'PT422 audit.not_immutable', 'a table that is not immutable');
select is(pg_temp.refusal($$select verify_audit_integrity('log; drop table log')$$), 'PT404 audit.table_unknown', 'a name that is more than a name');
select is(pg_temp.refusal($$select verify_audit_integrity('log', -1)$$), 'PT422 audit.range_invalid', 'a negative block');
select is(pg_temp.refusal($$select verify_audit_integrity('log', 0, 1)$$), 'PT422 audit.range_invalid', 'a block before the first');
select is(pg_temp.refusal($$select verify_audit_integrity('log', 1, 2)$$), 'PT422 audit.range_invalid', 'a block after the last');
select is(pg_temp.refusal($$select verify_audit_integrity('log', 2, 1)$$), 'PT422 audit.range_invalid', 'a range that ends before it begins');
select is(pg_temp.refusal($$select verify_audit_integrity('log', 2)$$), 'no refusal', 'though what is not sealed yet may be asked for');
select is(pg_temp.refusal($$select verify_audit_integrity('log', 3)$$), 'PT422 audit.range_invalid', 'but nothing beyond it');
select is(pg_temp.refusal($$select verify_audit_integrity('log', p_checkpoint => '{"size": -1, "root": ""}')$$), 'PT422 audit.checkpoint_invalid', 'a checkpoint of a negative size');
select is(pg_temp.refusal($$select verify_audit_integrity('log', p_checkpoint => '{"size": 1, "root": "00"}')$$), 'PT422 audit.checkpoint_invalid', 'a root that is no hash');
select is(pg_temp.refusal($$select verify_audit_integrity('log', p_checkpoint => '"receipts"')$$), 'PT422 audit.checkpoint_invalid', 'something else than a checkpoint');
select is(pg_temp.refusal($$select audit_ranges('log', 0)$$), 'PT422 audit.range_invalid', 'ranges of no rows');
select is(pg_temp.refusal($$select audit_ranges('ordinary')$$), 'PT422 audit.not_immutable', 'ranges of a table that is not immutable');

select * from finish();
rollback;
