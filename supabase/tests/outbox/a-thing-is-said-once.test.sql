begin;
select plan(2);

select private.tell('failure', 'the same', '{"n": 1}');
select private.tell('failure', 'the same', '{"n": 2}');
select is((select array_agg(payload ->> 'n') from public.outbox where channel = 'slack'), '{1}', 'the second message about the same thing is not written');

select finish_outbox('slack', (c ->> 'epoch')::integer, jsonb_build_array(jsonb_build_object('id', c #> '{messages,0,id}', 'outcome', 'delivered')))
from (select claim_outbox(array['slack'], 1) -> 0 as c) claimed;
select private.tell('failure', 'the same', '{"n": 3}');
select is((select array_agg(payload ->> 'n') from public.outbox where channel = 'slack'), '{1}', 'nor after the first was delivered');

select * from finish();
rollback;
