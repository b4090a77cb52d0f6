-- Checkpoints that are not signed, because they would contradict published ones, and why.
select table_name, place, kind, detail, refused_at from audit_refusals order by refused_at;
