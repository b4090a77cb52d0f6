-- What the database tests share; applied on local and test databases only, never on a hosted project.

create schema tests;
comment on schema tests is 'Builders for the database tests.';

create function tests.id(p_number integer) returns uuid
language sql immutable set search_path = '' as $$
  select ('00000000-0000-4000-8000-' || lpad(p_number::text, 12, '0'))::uuid;
$$;
comment on function tests.id(integer) is 'The n-th event''s or user''s id.';

create function tests.jwe(p_label text default 'encrypted') returns text
language sql immutable set search_path = '' as $$
  select format('%s..iv.text.tag', p_label);
$$;
comment on function tests.jwe(text) is 'A text of the shape of an encrypted token.';

create function tests.report(p_number integer, p_service_name text, p_category text, p_more jsonb default '{}') returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'event_id', tests.id(p_number), 'service_name', p_service_name, 'category', p_category, 'fingerprint', p_category,
    'error_message', p_category || ' failure', 'confidence', 0.9, 'signals', '[]'::jsonb, 'advice', 'Look at it.', 'owner', 'provider',
    'refreshable', false, 'retry_count', 0, 'request', jsonb_build_object('method', 'GET', 'url', 'https://api.example.com/'),
    'plan', jsonb_build_object('step', 'recover', 'action_taken', 'Repeat the call', 'attempts', 1)) || p_more;
$$;
comment on function tests.report(integer, text, text, jsonb) is 'A failure report of the n-th event, with p_more on top.';

create function tests.fail(p_number integer, p_service_name text, p_category text, p_more jsonb default '{}') returns jsonb
language sql set search_path = '' as $$
  select public.report_failures(jsonb_build_array(tests.report(p_number, p_service_name, p_category, p_more))) -> 0;
$$;
comment on function tests.fail(integer, text, text, jsonb) is 'Reports the n-th event as failed; the answer.';

create function tests.finish(p_work jsonb, p_outcome text, p_more jsonb default '{}') returns jsonb
language sql set search_path = '' as $$
  select public.finish_recoveries(jsonb_build_array(jsonb_build_object(
    'recovery_id', p_work -> 'recovery_id', 'epoch', p_work -> 'epoch', 'outcome', p_outcome, 'action_taken', 'Repeated the call',
    'attempts', 1, 'attempts_allowed', p_work -> 'attempts_allowed', 'reached_provider', true) || p_more)) -> 0;
$$;
comment on function tests.finish(jsonb, text, jsonb) is 'Ends a claimed recovery; the answer.';

create function tests.recovery(p_number integer) returns public.system_integrity_events
language sql stable set search_path = '' as $$
  select e from public.system_integrity_events e where e.event_id = tests.id(p_number);
$$;
comment on function tests.recovery(integer) is 'What became of the n-th event.';

create function tests.integration(p_service_name text) returns public.integrations_master
language sql stable set search_path = '' as $$
  select i from public.integrations_master i where i.service_name = p_service_name;
$$;
comment on function tests.integration(text) is 'An integration''s row.';

create function tests.told(p_kind text, p_service_name text) returns bigint
language sql stable set search_path = '' as $$
  select count(*) from public.outbox o where o.channel = 'slack' and o.kind = p_kind and o.payload ->> 'service_name' = p_service_name;
$$;
comment on function tests.told(text, text) is 'How many messages of a kind there are about a service, on one channel.';

create function tests.rule(p_id text, p_more jsonb default '{}') returns jsonb
language sql set search_path = '' as $$
  select public.save_rule(jsonb_build_object(
    'id', p_id, 'name', 'Rule ' || p_id, 'condition', '{"field": "eventId", "operator": "exists"}'::jsonb,
    'action', '{"type": "webhook", "url": "https://example.com/", "payload": {}}'::jsonb) || p_more, 'ada');
$$;
comment on function tests.rule(text, jsonb) is 'Creates a rule that matches every event, with p_more on top.';

create function tests.match(p_rule_id text, p_event_id text, p_version integer default 1) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('rule_id', p_rule_id, 'rule_version', p_version, 'event_id', p_event_id);
$$;
comment on function tests.match(text, text, integer) is 'A match as the engine reports it.';

create function tests.fire(p_rule_id text, p_event_id text, p_version integer default 1) returns text
language sql set search_path = '' as $$
  select coalesce(f.firing ->> 'reason', f.firing ->> 'outcome')
  from public.evaluate_events(jsonb_build_array(jsonb_build_object('id', p_event_id, 'data', '{}'::jsonb)), jsonb_build_array(tests.match(p_rule_id, p_event_id, p_version))) e, jsonb_array_elements(e) f (firing);
$$;
comment on function tests.fire(text, text, integer) is 'Reports an event and a match: fired, or why it was suppressed.';

create function tests.all_is_well() returns void
language sql set search_path = '' as $$
  update public.timers set enabled = false;
  update private.scan_watermark set scanned_until = now();
  update public.notification_channels set enabled = true where name = 'pagerduty';
$$;
comment on function tests.all_is_well() is 'Nothing opens an incident but what a test breaks; people can be paged.';

create function tests.break(variadic p_services text[]) returns void
language sql set search_path = '' as $$
  insert into public.integrations_master (service_name) select s from unnest(p_services) s on conflict do nothing;
  update public.integrations_master set enabled = false, disabled_by = 'self-heal', disabled_reason = '3 auth failures in a row', disabled_at = now()
  where service_name = any (p_services);
$$;
comment on function tests.break(text[]) is 'Disables integrations as self-healing does: each is something wrong that people follow as an incident.';

create function tests.mend(variadic p_services text[]) returns void
language sql set search_path = '' as $$
  update public.integrations_master set enabled = true, disabled_by = null, disabled_reason = null, disabled_at = null where service_name = any (p_services);
$$;
comment on function tests.mend(text[]) is 'Enables integrations again.';

create function tests.at(p_after interval) returns timestamptz
language sql immutable set search_path = '' as $$
  select timestamptz '2026-01-01 00:00:00+00' + p_after;
$$;
comment on function tests.at(interval) is 'A time of the clock by which tests follow incidents.';

create function tests.follow(p_after interval) returns jsonb
language sql set search_path = '' as $$
  select jsonb_object_agg(key, value) filter (where value <> '0') from jsonb_each(public.advance_incidents(tests.at(p_after)));
$$;
comment on function tests.follow(interval) is 'Follows incidents at a time of that clock: how many were what, null for nothing.';

create function tests.incident(p_service text) returns public.incidents
language sql stable set search_path = '' as $$
  select i from public.incidents i where i.dedup_key = 'integration:' || p_service order by i.id desc limit 1;
$$;
comment on function tests.incident(text) is 'The newest incident of an integration.';

create function tests.said(p_service text) returns text
language sql stable set search_path = '' as $$
  select string_agg(replace(o.kind, 'incident_', '') || coalesce(' ' || (o.payload ->> 'action'), ''), ', ' order by o.id)
  from public.outbox o where o.channel in ('slack', 'pagerduty') and o.payload ->> 'dedup_key' = 'integration:' || p_service;
$$;
comment on function tests.said(text) is 'What people heard of an integration''s incidents, in order: on one channel, and by pages.';

create function tests.try_as(p_role text, p_statement text) returns text
language plpgsql as $$
declare
  v_hint text;
begin
  execute format('set local role %I', p_role);
  execute p_statement;
  reset role;
  return 'done';
exception when others then
  reset role;
  get stacked diagnostics v_hint = pg_exception_hint;
  return case when sqlstate = '42501' then 'no permission' when sqlstate like 'PT%' then v_hint else format('%s: %s', sqlstate, sqlerrm) end;
end $$;
comment on function tests.try_as(text, text) is 'What comes of a statement of a database role: done, no permission, the code of an error of ours, or the state and text of another.';

create function tests.stand_in_for_pg_net() returns void
language plpgsql set search_path = '' as $f$
begin
  -- As texts, because the linter looks for the tables that are named; of the first one it still reads what is no definition.
  execute $sql$
    create schema net;
    create table net.calls (url text);
    create function net.http_post(url text, body jsonb, headers jsonb, timeout_milliseconds integer)
    returns bigint language sql as $$ insert into net.calls values (url) returning 1::bigint $$;
    create schema vault;
    create table vault.decrypted_secrets (name text, decrypted_secret text);
  $sql$;
  execute format('insert into %s values ($1, $2), ($3, $4)', 'vault.decrypted_secrets')
    using 'project_url', 'https://abc.supabase.co', 'internal_webhook_token', 'a-token';
end $f$;
comment on function tests.stand_in_for_pg_net() is 'From then on, functions are called by rows of net.calls.';
