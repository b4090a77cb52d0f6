begin;
select plan(15);
select tests.all_is_well();

select tests.break('acme', 'beta', 'gamma');
select tests.follow('00:00');
select is(acknowledge_incident((tests.incident('acme')).id, 'ada', 'On it', tests.at('00:01')) - '{id,details,title,flapping,opened_at}'::text[],
  '{"status": "ACKNOWLEDGED", "dedup_key": "integration:acme", "priority": "P2", "source": "integration", "attempts": 0, "note": "On it", "reopened": 0, "auto_healed": false,
    "acknowledged_at": "2026-01-01T00:01:00+00:00", "acknowledged_by": "ada", "escalated_at": null, "reminded_at": null, "quiet_until": null,
    "resolved_at": null, "resolved_by": null, "closed_at": null}'::jsonb, 'whoever takes an incident sees it');
select is(tests.said('acme'), 'opened, acknowledged', 'the others hear of it');
select is(tests.follow('00:20'), '{"retried": 3, "escalated": 2}', 'healing goes on');
select is((tests.incident('acme')).status, 'ACKNOWLEDGED', 'but what a person has taken is not escalated');
select acknowledge_incident((tests.incident('beta')).id, 'ada', p_now => tests.at('00:21'));
select is(tests.said('beta'), 'opened, escalated, page trigger, acknowledged, page acknowledge', 'taking an incident ends the alarm of its page');
select is(tests.follow('01:20'), '{"retried": 2, "reminded": 1}', 'and people are reminded only of what nobody took');

select tests.mend('acme', 'beta');
select tests.follow('01:30');
select is((select (i.status, i.auto_healed, i.resolved_by, i.resolved_at)::text from tests.incident('acme') i), (select ('RESOLVED', true, 'system', tests.at('01:30'))::text), 'what heals is resolved, whoever took it');
select is(tests.said('acme'), 'opened, acknowledged, resolved', 'and people hear that');
select is(tests.said('beta'), 'opened, escalated, page trigger, acknowledged, page acknowledge, resolved, page resolve', 'the page is resolved with it');

select is(resolve_incident((tests.incident('gamma')).id, 'ada', 'Known', tests.at('01:31')) ->> 'auto_healed', 'false', 'what a person resolves was not healed');
select is((select (i.status, i.resolved_by, i.note)::text from tests.incident('gamma') i), '(RESOLVED,ada,Known)', 'it says by whom');
select is(tests.follow('01:32'), '{"reopened": 1}', 'when it is still wrong it is opened again');
select is(tests.said('gamma'), 'opened, escalated, page trigger, reminder, resolved, page resolve, opened', 'and people hear that too');
select is((select (i.status, i.attempts, i.note, i.escalated_at, i.resolved_by, i.reopened)::text from tests.incident('gamma') i), '(AUTO_HEALING,0,,,,1)', 'it begins anew');

select throws_ok('select acknowledge_incident(-1, ''ada'')', 'PT404', 'There is no incident -1. Those that are open are listed by read_incidents().', 'an incident that is not there is not taken');

select * from finish();
rollback;
