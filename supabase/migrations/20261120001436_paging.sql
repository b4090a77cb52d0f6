-- Waking whoever is on call, and telling people when that fails.

create function private.page(p_action text, p_incident public.incidents) returns void
language plpgsql set search_path = '' as $$
declare
  -- An incident is opened, taken and resolved once between two reopenings.
  v_opening text := format('page:%s:%s:', p_incident.id, p_incident.reopened);
begin
  insert into public.outbox (channel, kind, dedup_key, payload)
  select c.name, 'page', v_opening || p_action, jsonb_build_object(
    'action', p_action, 'incident_id', p_incident.id, 'dedup_key', p_incident.dedup_key, 'priority', p_incident.priority, 'title', p_incident.title,
    'detail', p_incident.details ->> 'detail', 'count', coalesce((p_incident.details ->> 'count')::bigint, 1), 'opened_at', p_incident.opened_at)
  from public.notification_channels c
  where c.enabled and c.purpose = 'pages' and (p_action = 'trigger' or exists (
    select from public.outbox o where o.channel = c.name and o.dedup_key = v_opening || 'trigger'))
  order by c.name
  on conflict do nothing;
  if found then
    perform private.call_dispatch();
  end if;
end $$;
comment on function private.page(text, public.incidents) is
  'Pages of an incident (trigger, acknowledge or resolve) on every enabled channel of purpose pages, each once between two reopenings; acknowledge and resolve only where a trigger was written.';
revoke execute on function private.page(text, public.incidents) from public, anon, authenticated, service_role;

create function private.tell_page_failed() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_page public.outbox;
  v_resource text;
begin
  -- What waits behind a page that failed is not tried before that one ends, so it has failed as well.
  for v_page in
    select o.* from public.outbox o
    where o.channel = new.channel and (o.id = new.id or (o.delivered_at is null and o.failed_at is null))
      and o.kind = 'page' and o.payload ->> 'action' = 'trigger'
    order by o.id
  loop
    v_resource := 'incident:' || (v_page.payload ->> 'incident_id');
    -- The audit log remembers it even where no channel to people is enabled.
    continue when exists (
      select from public.audit_log a where a.resource = v_resource and a.action = 'page.failed' and a.payload ->> 'page' = v_page.dedup_key);
    perform private.audit('incidents', 'system', 'page.failed', v_resource, case when v_page.failed_at is null then 'retry' else 'dead' end,
      jsonb_build_object('page', v_page.dedup_key, 'channel', new.channel, 'error', new.last_error), 'error');
    perform private.tell('page_failed', 'failed:' || v_page.dedup_key,
      v_page.payload || jsonb_build_object('channel', new.channel, 'error', new.last_error, 'given_up', v_page.failed_at is not null));
  end loop;
  return null;
end $$;
comment on function private.tell_page_failed() is
  'Tells people, once for each opening of an incident, that nobody could be paged so far, and why; sending is tried again meanwhile.';
revoke execute on function private.tell_page_failed() from public, anon, authenticated, service_role;

create trigger tell_page_failed after update of attempts, failed_at on public.outbox
for each row when (new.kind = 'page' and new.delivered_at is null and new.last_error is not null) execute function private.tell_page_failed();
comment on trigger tell_page_failed on public.outbox is 'The other channels hear of a page at its first failed attempt.';
