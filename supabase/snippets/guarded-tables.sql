-- Tables that refuse writes in safe mode; add your own with guard_table.
select * from guarded_tables;
