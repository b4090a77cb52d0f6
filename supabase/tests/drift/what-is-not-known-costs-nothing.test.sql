begin;
select plan(8);

delete from public.invariants;
select is(score_drift(), '{"score": null, "lost": [], "unknown": []}', 'without invariants there is no score');

create table public.mistakes (kind text);
create function public.check_mistakes(p_entities text[] default null)
returns table (entity text, expected text, actual text, details jsonb) language plpgsql stable set search_path = '' as $$
begin
  if exists (select from public.mistakes) then
    raise exception 'no luck';
  end if;
  return query select 'it', 'none', 'one', null::jsonb;
end $$;
select register_invariant('A', 'check_mistakes', 'P1');
select is(score_drift(), '{"score": null, "lost": [], "unknown": [{"invariant": "A", "why": "It never ran."}]}', 'one that never ran is unknown, which is not 100');
select run_invariant('A');
select is(score_drift() -> 'score', '75', 'known is what gave an answer');
insert into public.mistakes values ('it throws');
select run_invariant('A', p_now => now() + interval '5 minutes');
select is(score_drift(now() + interval '5 minutes'), '{"score": null, "lost": [], "unknown": [{"invariant": "A", "why": "The check failed: no luck (P0001)."}]}',
  'one that fails is unknown, however it was before');
truncate public.mistakes;
select run_invariant('A', p_now => now() + interval '10 minutes');
select is(score_drift(now() + interval '25 minutes') -> 'score', '75', 'an answer holds for three cycles');
select is(score_drift(now() + interval '25 minutes 1 second') -> 'unknown', '[{"invariant": "A", "why": "It did not run for 15 minutes."}]', 'and not longer');

insert into public.invariants (name, priority, check_function, last_run_at, last_ok_at) values ('B', 'P1', 'public.unknown', now(), now());
select is(score_drift() -> 'score', '75', 'together they are scored');
update public.invariants set last_ok_at = now() - interval '1 hour' where name = 'A';
select is(score_drift() - 'lost', '{"score": 100, "unknown": [{"invariant": "A", "why": "It did not run for 15 minutes."}]}', 'the rest is scored when one is unknown');

select * from finish();
rollback;
