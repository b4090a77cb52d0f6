-- Set the token that leaves safe mode, once: only a slow hash of it is kept.
update system_mode set override_token = 'your-secret' where id = 1;
