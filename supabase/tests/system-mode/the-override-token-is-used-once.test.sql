-- The way out of safe mode: one token, five guesses, one use.
begin;
select plan(16);

select is(leave_safe_mode('your-secret', 'ada', 'user:1') ->> 'code', 'safe_mode.not_active', 'what is not safe cannot be left');
select is(
  (select array_agg(a.key order by a.key) from jsonb_each(enter_safe_mode('a drill', 'ada', 'user:1')) a),
  '{attempts_left,automatic,changed,changed_at,changed_by,mode,override_token_set,reason,safeMode}', 'entering says what the mode is');
select is(leave_safe_mode('your-secret', 'ada', 'user:1') ->> 'code', 'safe_mode.token_missing', 'without a token nobody leaves');

update system_mode set override_token = 'your-secret' where id = 1;
select ok((select override_token like '$2a$12$%' and strpos(override_token, 'your-secret') = 0 from system_mode), 'of a token a slow, salted hash is stored');
select throws_ok($$update system_mode set override_token = 'short'$$, 'PT422', null, 'a short token is refused');
select throws_ok($$update system_mode set override_token = ''$$, 'PT422', null, 'so is an empty one');

select is(
  array(select leave_safe_mode(guess, 'eve', 'user:2') - '{left,message}'::text[]
    from unnest(array['wrong', '', null, 'Your-secret', 'wrong', 'your-secret']) guess)::text[],
  array['{"code": "safe_mode.token_wrong", "attempts_left": 4}', '{"code": "safe_mode.token_wrong", "attempts_left": 3}',
    '{"code": "safe_mode.token_wrong", "attempts_left": 2}', '{"code": "safe_mode.token_wrong", "attempts_left": 1}',
    '{"code": "safe_mode.token_wrong", "attempts_left": 0}', '{"code": "safe_mode.token_blocked", "attempts_left": 0}'],
  'after five wrong tokens not even the right one is taken');

update system_mode set override_token = repeat('x', 80) || 'a';
select is(leave_safe_mode(repeat('x', 80) || 'b', 'ada', 'user:1') ->> 'attempts_left', '4', 'a new token brings new attempts, and all of a long one counts');
select is(leave_safe_mode(repeat('x', 80) || 'a', 'ada', 'user:1') - '{changed_at,reason}'::text[],
  '{"left": true, "mode": "normal", "safeMode": false, "automatic": false, "changed_by": "ada", "attempts_left": 5, "override_token_set": false}', 'the right one leaves safe mode');
select enter_safe_mode('again', 'ada', 'user:1');
select is(leave_safe_mode(repeat('x', 80) || 'a', 'ada', 'user:1') ->> 'code', 'safe_mode.token_missing', 'and is used up by it');

update system_mode set mode = 'normal';
select enter_safe_mode('grade F twice', 'the health score', 'system', true);
select ok(private.leave_safe_mode_automatically('clean again'), 'what the health score entered it leaves');
select enter_safe_mode('grade F twice', 'the health score', 'system', true), enter_safe_mode('I look at it', 'ada', 'user:1');
select ok(not private.leave_safe_mode_automatically('clean again') and private.is_safe_mode(), 'but not what a person has taken over');

select throws_ok('delete from system_mode', 'PT422', null, 'the mode cannot be deleted');
select throws_ok('truncate system_mode', 'PT422', null, 'nor truncated');
select is(
  (select array_agg(result || coalesce(' by ' || (payload ->> 'changed_by'), '') order by immutable_seq) from audit_log where subsystem = 'system-mode'),
  array['not_active', 'safe by ada', 'token_missing', 'set', 'token_wrong', 'token_wrong', 'token_wrong', 'token_wrong', 'token_wrong', 'token_blocked', 'set', 'token_wrong',
    'normal by ada', 'safe by ada', 'token_missing', 'normal by ' || session_user, 'safe by the health score', 'normal by the health score', 'safe by the health score', 'safe by ada'],
  'every change and every attempt is on record');
select is(
  array(select kind from outbox where channel = 'slack' order by id),
  '{safe_mode_on,safe_mode_off,safe_mode_on,safe_mode_off,safe_mode_on,safe_mode_off,safe_mode_on}', 'people are told of each change of the mode');

select * from finish();
rollback;
