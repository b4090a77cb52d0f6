-- Events that providers send. They repeat, so each is recorded once.

create function public.record_webhook_event(p_service_name text, p_external_id text, p_event_type text, p_payload jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  -- The row's identity follows from the provider's, so that a repetition meets the first one's row.
  insert into public.integration_events (id, service_name, event_type, status, payload)
  values (left(encode(sha256(convert_to(p_service_name || ':' || p_external_id, 'UTF8')), 'hex'), 32)::uuid,
    p_service_name, p_event_type, 'success', p_payload)
  on conflict (id) do nothing;
  return found;
end $$;
comment on function public.record_webhook_event(text, text, text, jsonb) is
  'Stores an event that a provider sent, once per provider and the provider''s own id; false when it was there already.';
revoke execute on function public.record_webhook_event(text, text, text, jsonb) from public, anon, authenticated;
grant execute on function public.record_webhook_event(text, text, text, jsonb) to service_role;
