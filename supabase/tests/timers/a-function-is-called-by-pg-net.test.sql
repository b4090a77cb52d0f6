begin;
select plan(6);

create schema net;
create table net.calls (url text, body jsonb, headers jsonb, timeout integer);
create function net.http_post(url text, body jsonb default '{}', params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 1000)
returns bigint language sql as $$ insert into net.calls values (url, body, headers, timeout_milliseconds) returning 1::bigint $$;

set local client_min_messages = error;
select private.invoke_function('dispatch');
select is((select count(*) from net.calls), 0::bigint, 'without address and token nothing is called');
reset client_min_messages;

create schema vault;
create table vault.decrypted_secrets (name text, decrypted_secret text);
insert into vault.decrypted_secrets values ('project_url', 'https://abc.supabase.co/'), ('internal_webhook_token', 'a-token');
select private.invoke_function('integration-self-heal', '{"mode": "scan"}');
select is((select url from net.calls), 'https://abc.supabase.co/functions/v1/integration-self-heal', 'the address is the project''s');
select is((select body from net.calls), '{"mode": "scan"}', 'the body is passed');
select is((select headers ->> 'x-internal-token' from net.calls), 'a-token', 'the call carries the internal token');
select cmp_ok((select timeout from net.calls), '>', 0, 'the call is bounded in time');

delete from net.calls;
select private.tell('failure', 'a', '{}');
select private.tell('failure', 'b', '{}');
select is((select count(*) from net.calls), 1::bigint, 'a transaction asks for delivery once, however many messages it writes');

select * from finish();
rollback;
