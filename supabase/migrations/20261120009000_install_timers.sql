-- The last migration: every timer is there.
select private.install_timers();
