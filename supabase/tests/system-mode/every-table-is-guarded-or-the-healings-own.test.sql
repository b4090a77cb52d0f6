-- Whoever adds a table decides whether safe mode stops writes to it.
begin;
select plan(3);

create temp table own (name text);
insert into own select unnest('{
  action_runs, audit_blocks, audit_damage, audit_log, audit_nodes, audit_publications, audit_refusals, audit_verifications,
  backup_validations, drift_scores, failure_groups, failure_streaks, health_scores, immutable_tables, incident_policies,
  incident_transitions, incidents, integration_events, integrations_master, invariant_runs, invariant_violations, invariants,
  maintenance_windows, notification_channels, operators, outbox, recovery_thresholds, rule_events, rule_matches, schedulers,
  settings, subsystem_counts, system_integrity_events, system_mode, timers, user_integrations}'::text[]);
create function pg_temp.undecided() returns text[] language sql as $$
  select array(
    select c.relname::text from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and exists (select from own o where o.name = c.relname)
        = exists (select from guarded_tables g where g.table_name = c.oid::regclass::text and g.holds)
    order by 1)
$$;

select is(pg_temp.undecided(), '{}', 'every table is either guarded or one that the healing itself writes, never both');
create table public.forgotten (id integer);
select is(pg_temp.undecided(), '{forgotten}', 'one that nobody decided about is found');
alter table public.receipts disable trigger aa_safe_mode;
select is(pg_temp.undecided(), '{forgotten, receipts}', 'so is one whose guard was switched off');

select * from finish();
rollback;
