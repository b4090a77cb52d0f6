begin;
select plan(6);

insert into public.operators (user_id, role) values (tests.id(1), 'operator'), (tests.id(2), 'admiral');

set local role authenticated;
select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-000000000001", "role": "authenticated"}', true);
select is(my_role(), 'operator', 'a signed-in user learns his role');
select throws_ok('select * from operators', '42501', null, 'and nobody else''s');
select throws_ok($$insert into operators values ('00000000-0000-4000-8000-000000000001', 'admiral')$$, '42501', null, 'and cannot grant one');
select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-000000000003"}', true);
select is(my_role(), null, 'one without a role learns that');

set local role anon;
select throws_ok('select my_role()', '42501', null, 'who is not signed in learns nothing');
set local role service_role;
select throws_ok($$update operators set role = 'viewer'$$, '42501', null, 'the key of a function cannot change roles');
reset role;

select * from finish();
rollback;
