-- Open incidents silently for two hours; the pattern is one of LIKE, % for all of them.
insert into maintenance_windows (dedup_pattern, starts_at, ends_at, reason)
values ('integration:%', now(), now() + interval '2 hours', 'Moving to another provider');
