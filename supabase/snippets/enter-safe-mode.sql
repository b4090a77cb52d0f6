-- Refuse all writes to guarded tables until somebody leaves safe mode.
select enter_safe_mode('Manual intervention', 'ops@example.com', 'ops@example.com');
