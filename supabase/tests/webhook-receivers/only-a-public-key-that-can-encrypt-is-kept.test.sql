begin;
select plan(29);

create function pg_temp.ec(p_more jsonb default '{}') returns jsonb language sql as $$
  select jsonb_build_object('kty', 'EC', 'crv', 'P-256', 'x', repeat('x', 43), 'y', repeat('y', 43)) || p_more
$$;
create function pg_temp.rsa(p_digits integer, p_more jsonb default '{}') returns jsonb language sql as $$
  select jsonb_build_object('kty', 'RSA', 'n', repeat('n', p_digits), 'e', 'AQAB') || p_more
$$;
create function pg_temp.add(p_host text, p_key jsonb) returns text language plpgsql as $$
declare
  v_constraint text;
begin
  insert into public.webhook_receivers (host, public_key) values (p_host, p_key);
  return 'added';
exception when others then
  get stacked diagnostics v_constraint = constraint_name;
  return coalesce(nullif(v_constraint, ''), sqlerrm);
end $$;

select is(pg_temp.add('alerts.example.com', pg_temp.ec('{"kid": "2026", "use": "enc"}')), 'added', 'a key on an elliptic curve is kept');
select is(pg_temp.add('alerts.example.com:8443', pg_temp.rsa(342)), 'added', 'so is an RSA key of 2048 bits, for another port');
select is(pg_temp.add('[2606:4700::1111]', pg_temp.rsa(683)), 'added', 'and one for an address');
select is(webhook_public_key('alerts.example.com') ->> 'kid', '2026', 'the key is found by the host');
select is(webhook_public_key('example.com'), null, 'a host without a row has none');
select is(pg_temp.add('alerts.example.com', pg_temp.ec()), 'webhook_receivers_pkey', 'a host has one key');

select is(pg_temp.add('a.example', pg_temp.ec(jsonb_build_object(member, 'secret'))), 'webhook_receivers_never_hold_a_private_key', format('a key with "%s" is a private one', member))
from unnest('{d,p,q,dp,dq,qi,oth,k}'::text[]) member;

select is(pg_temp.add('a.example', key), 'webhook_receivers_public_key_can_encrypt', sentence)
from (values
  (pg_temp.rsa(341), 'a shorter RSA key is refused'),
  (pg_temp.rsa(342) - 'e', 'an RSA key has an exponent'),
  (pg_temp.ec('{"crv": "P-521"}'), 'curves that the hosted runtime cannot encrypt for are refused: P-521'),
  ('{"kty": "OKP", "crv": "X25519", "x": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}', 'and X25519'),
  (pg_temp.ec() - 'y', 'half a point is no key'),
  (pg_temp.ec('{"use": "sig"}'), 'a key for signatures does not encrypt'),
  ('{}', 'an empty object is no key'),
  ('"-----BEGIN PUBLIC KEY-----"', 'nor is a text')
) t (key, sentence);

select is(pg_temp.add(host, pg_temp.ec()), 'webhook_receivers_host_is_as_urls_have_it', format('"%s" is not how a host is named', host))
from unnest('{Alerts.example.com,https://a.example,a.example/hook,a.example:443,a.example.,"a b","user@a.example"}'::text[]) host;

select * from finish();
rollback;
