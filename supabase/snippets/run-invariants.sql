-- Check every invariant now, over all entities; what is found is stored and followed.
select jsonb_pretty(run_invariant(name, 'full')) from invariants where enabled order by priority, name;
