-- Whose key encrypts the payloads of webhooks.

create table public.webhook_receivers (
  host text primary key,
  public_key jsonb not null,
  created_at timestamptz not null default now(),
  constraint webhook_receivers_host_is_as_urls_have_it check (
    host ~ '^([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:]+\])(:[0-9]{1,5})?$' and host !~ ':443$'),
  constraint webhook_receivers_never_hold_a_private_key check (
    not public_key ?| array['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']),
  constraint webhook_receivers_public_key_can_encrypt check (coalesce(
    case public_key ->> 'kty'
      when 'EC' then public_key ->> 'crv' in ('P-256', 'P-384')
        and public_key ->> 'x' ~ '^[A-Za-z0-9_-]{43,64}$' and public_key ->> 'y' ~ '^[A-Za-z0-9_-]{43,64}$'
      -- 342 digits are the 256 bytes of 2048 bits.
      when 'RSA' then public_key ->> 'n' ~ '^[A-Za-z0-9_-]+$' and length(public_key ->> 'n') between 342 and 1366
        and public_key ->> 'e' ~ '^[A-Za-z0-9_-]{2,8}$'
    end and coalesce(public_key ->> 'use', 'enc') = 'enc', false)),
  constraint webhook_receivers_public_key_has_a_short_name check (length(public_key ->> 'kid') <= 200)
);
comment on table public.webhook_receivers is
  'Who gets encrypted webhooks: the payload of an action with "encryption": {"enabled": true} is readable for the holder of the private key only.';
comment on column public.webhook_receivers.host is
  'Host name of the webhook''s URL in lower case, with :port unless that is 443: alerts.example.com, alerts.example.com:8443.';
comment on column public.webhook_receivers.public_key is
  'JWK (RFC 7517): EC with P-256 or P-384, or RSA of 2048 bits or more. Not X25519 and P-521: the hosted functions'' runtime cannot encrypt for them. A kid is carried in the message.';
comment on column public.webhook_receivers.created_at is 'When it was added.';

alter table public.webhook_receivers enable row level security;
revoke all on public.webhook_receivers from public, anon, authenticated, service_role;
grant select on public.webhook_receivers to service_role;

create function public.webhook_public_key(p_host text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select r.public_key from public.webhook_receivers r where r.host = p_host;
$$;
comment on function public.webhook_public_key(text) is 'The JWK that encrypts webhooks to a host, or null.';
revoke execute on function public.webhook_public_key(text) from public, anon, authenticated;
grant execute on function public.webhook_public_key(text) to service_role;
