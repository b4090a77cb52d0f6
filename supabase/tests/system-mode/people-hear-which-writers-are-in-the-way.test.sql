-- A change of the mode waits for writers, also when it comes by the Data API, which has a statement timeout of its own.
begin;
select plan(2);

create function pg_temp.patience(p_function regproc, p_setting text) returns interval language plpgsql as $$
begin
  return (select split_part(c, '=', 2) from pg_proc p, unnest(p.proconfig) c where p.oid = p_function and c like p_setting || '=%');
end $$;

select cmp_ok(pg_temp.patience('public.enter_safe_mode', 'statement_timeout'), '>', pg_temp.patience('private.wait_for_writers', 'lock_timeout'),
  'who enters safe mode hears whom he waited for');
select cmp_ok(pg_temp.patience('public.leave_safe_mode', 'statement_timeout'), '>', pg_temp.patience('private.wait_for_writers', 'lock_timeout'),
  'and so does who leaves it');

select * from finish();
rollback;
