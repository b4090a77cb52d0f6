-- Leave safe mode with the token that was set, which is used up by it.
select leave_safe_mode('your-secret', 'ops@example.com', 'ops@example.com');
