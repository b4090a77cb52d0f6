begin;
select plan(9);

insert into public.operators (user_id, role) values (tests.id(1), 'viewer'), (tests.id(2), 'operator'), (tests.id(3), 'admiral');

create function pg_temp.sign_in(p_claims text) returns void language sql as $$
  select set_config('request.jwt.claims', p_claims, true)
$$;
create function pg_temp.may(p_user integer) returns text[] language plpgsql as $$
begin
  perform pg_temp.sign_in(jsonb_build_object('sub', tests.id(p_user))::text);
  return array(select r from unnest('{viewer, operator, admiral}'::text[]) with ordinality as t (r, n) where private.has_role(r) order by n);
end $$;

select is(pg_temp.may(1), '{viewer}', 'a viewer may only view');
select is(pg_temp.may(2), '{viewer, operator}', 'an operator may also view');
select is(pg_temp.may(3), '{viewer, operator, admiral}', 'an admiral may everything');
select is(pg_temp.may(4), '{}', 'a user without a row may nothing');

delete from public.operators where user_id = tests.id(3);
select is(pg_temp.may(3), '{}', 'who loses the row may nothing from then on');

select is(
  array(select private.has_role('viewer') from unnest('{"", "{}", "{\"sub\": null}", "{\"sub\": \"user_2abc\"}"}'::text[]) claims, pg_temp.sign_in(claims)),
  '{f,f,f,f}', 'neither may who is not signed in, or is signed in elsewhere');

select throws_ok($$select private.has_role('oprator')$$, 'PT500', 'There is no role "oprator": it is viewer, operator or admiral.',
  'to ask for a role that does not exist is an error, not a refusal');
select throws_ok($$select private.has_role(null)$$, 'PT500', null, 'so is to ask for none');
select throws_ok($$insert into public.operators (user_id, role) values (tests.id(5), 'owner')$$, '23514', null, 'nor can it be granted');

select * from finish();
rollback;
