begin;
select plan(13);

select throws_ok($$select tests.rule('a', '{"condition": {"field": "x", "operator": "gt"}, "action": [{"type": "anchor", "eventHash": "x"}, {"type": "mail"}, 5]}')$$, 'PT422',
  'Rule "a" was not saved: Operator gt requires a value; action[1] must be an object whose type is anchor, webhook, plugin_emit or ledger_allocate; action[2] must be an object whose type is anchor, webhook, plugin_emit or ledger_allocate.',
  'all that is wrong with condition and action is said at once');
select throws_ok($$select tests.rule('a', '{"action": []}')$$, 'PT422', 'Rule "a" was not saved: action has 0 actions; give 1 to 10.', 'a rule does something');
select throws_ok($$select tests.rule('a', jsonb_build_object('action', (select jsonb_agg('{"type": "anchor"}'::jsonb) from generate_series(1, 11))))$$, 'PT422',
  'Rule "a" was not saved: action has 11 actions; give 1 to 10.', 'not too much');
select throws_ok($$select tests.rule('a', '{"action": "webhook"}')$$, 'PT422', null, 'a text is no action');
select throws_ok($$select tests.rule('-a')$$, 'PT422', 'The rule was not saved: rules id has 1 to 100 plain characters.', 'an id is plain');
select throws_ok($$select tests.rule('a', '{"name": ""}')$$, 'PT422', 'The rule was not saved: rules name has 1 to 200 characters.', 'a name is not empty');
select throws_ok($$select tests.rule('a', '{"name": null}')$$, 'PT422', 'The rule was not saved: it has no name.', 'it is there');
select throws_ok($$select tests.rule('a', '{"priority": "high"}')$$, 'PT422', null, 'a priority is a number');
select throws_ok($$select tests.rule('a', '{"status": "sleeping"}')$$, 'PT422', null, 'a status is known');
select throws_ok($$select tests.rule('a', '{"maxFiresPerHour": 0}')$$, 'PT422', null, 'a rule that never fires is paused instead');
select throws_ok($$select tests.rule('a', '{"cooldownSeconds": -1}')$$, 'PT422', null, 'a cooldown is not negative');

select throws_ok($$insert into public.rules (id, name, condition, action) values ('a', 'A', '{}', '{"type": "anchor"}')$$, 'PT422', null, 'the SQL editor is no way round it');
select is((select count(*) from public.rules), 0::bigint, 'nothing of this was stored');

select * from finish();
rollback;
