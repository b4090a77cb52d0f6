-- A caller's temporary tables come before all others, so a definer function with one unqualified name would read them.
begin;
select plan(7);

create function pg_temp.shadow_everything() returns void language plpgsql as $$
declare
  v_table record;
begin
  for v_table in
    select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'private') and c.relkind = 'r' order by 1, 2
  loop
    execute format('create temp table %I (like %I.%I including defaults)', v_table.relname, v_table.nspname, v_table.relname);
  end loop;
end $$;
-- pgTAP's own temporary table is left out.
create function pg_temp.shadow_rows() returns bigint language plpgsql as $$
declare
  v_table regclass;
  v_count bigint;
  v_sum bigint := 0;
begin
  for v_table in select oid::regclass from pg_class where relnamespace = pg_my_temp_schema() and relkind = 'r' and relname <> '__tcache__' loop
    execute format('select count(*) from %s', v_table) into v_count;
    v_sum := v_sum + v_count;
  end loop;
  return v_sum;
end $$;
select pg_temp.shadow_everything();

insert into public.integrations_master (service_name, oauth_config) values ('acme', '{}');
select save_grant('acme', null, tests.id(1), tests.jwe(), tests.jwe(), 60);
select is(claim_refresh('acme', null, 1) ->> 'outcome', 'claimed', 'grants work beside temporary tables of the same names');
select is(tests.finish(tests.fail(1, 'acme', 'network') -> 'work', 'resolved') ->> 'status', 'resolved', 'so does the loop');
select is(
  (begin_integration_call('acme') -> 'registered', jsonb_array_length(claim_outbox('{slack}', 9)), missed_events(), expiring_grants(9))::text,
  '(true,1,[],[])', 'and what is around it');
select tests.rule('any'), record_events('[{"data": {}}]');
select is((jsonb_array_length(claim_events(1, 30) -> 'events'), tests.fire('any', 'e1'), jsonb_array_length(read_rules()), load_rules() #>> '{rules,0,id}')::text,
  '(1,fired,1,any)', 'so are rules');
delete from public.invariants;
insert into public.invariants (name, priority, check_function) values ('A', 'P1', 'public.unknown');
select is((run_invariant('A') #>> '{error,code}', score_drift() #>> '{unknown,0,invariant}', read_invariants_status() #>> '{invariants,0,name}')::text,
  '(invariant.failed,A,A)', 'and invariants');
select is(pg_temp.shadow_rows(), 0::bigint, 'nothing was written there');

create function public.forgetful() returns void language sql security definer set search_path = ''
as $$ insert into scan_watermark (scanned_until) values (now()) $$;
select public.forgetful();
select is(pg_temp.shadow_rows(), 1::bigint, 'a function with an unqualified name would be found');

select * from finish();
rollback;
