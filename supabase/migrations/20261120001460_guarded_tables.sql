-- What safe mode guards of the platform's own: the project's records, and the rules. The healing's records stay open.

select public.guard_table('public.receipts');
select public.guard_table('public.ledger_events');
select public.guard_table('public.call_sessions');
select public.guard_table('public.ledger_allocations');
select public.guard_table('public.rules');
select public.guard_table('public.rule_versions');
select public.guard_table('public.webhook_receivers');
