-- What is read is what Postgres counted in this transaction.
begin;
select plan(5);
create function pg_temp.rows_read() returns bigint language sql volatile as $$
  select coalesce(idx_tup_fetch, 0) + seq_tup_read from pg_stat_xact_user_tables where relid = 'public.user_integrations'::regclass
$$;
create function pg_temp.rows_read_by(p_statement text) returns bigint language plpgsql as $$
declare
  v_before bigint := pg_temp.rows_read();
begin
  execute p_statement;
  return pg_temp.rows_read() - v_before;
end $$;

insert into public.integrations_master (service_name, oauth_config) values ('acme', '{}');
insert into public.user_integrations (service_name, user_id, access_token, refresh_token, token_expires_at)
select 'acme', tests.id(n), tests.jwe(), tests.jwe(), now() + interval '1 day' from generate_series(1, 3000) n;
analyze public.user_integrations;

select cmp_ok(pg_temp.rows_read_by($$select begin_integration_call('acme', tests.id(7))$$), '<=', 3::bigint, 'the beginning of a call');
select cmp_ok(pg_temp.rows_read_by($$select claim_refresh('acme', tests.id(7), 0)$$), '<=', 5::bigint, 'a refresh');
select cmp_ok(
  pg_temp.rows_read_by($$select tests.fail(1, 'acme', 'auth', jsonb_build_object('user_id', tests.id(7)))$$), '<=', 10::bigint, 'a report');
update public.system_integrity_events set leased_until = null;
select cmp_ok(pg_temp.rows_read_by('select claim_recoveries(10)'), '<=', 3::bigint, 'a claim');

select cmp_ok(
  pg_temp.rows_read_by($$select tests.finish(private.work_items(array[(tests.recovery(1)).id]) -> 0, 'failed', '{"after_refresh": true}')$$), '<=', 10::bigint,
  'and its end');

select * from finish();
rollback;
