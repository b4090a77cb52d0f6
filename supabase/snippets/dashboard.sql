-- The whole dashboard in one row.
select * from self_heal_kpis;
