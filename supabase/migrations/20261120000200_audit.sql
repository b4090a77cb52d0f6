-- What was decided and done, by whom, with what result: appended in the transaction that did it.

create table public.audit_log (
  immutable_seq bigint primary key,
  created_at timestamptz not null default now(),
  subsystem text not null,
  kind text not null default 'action',
  actor text not null,
  action text not null,
  resource text not null,
  result text not null,
  payload jsonb not null default '{}',
  constraint audit_log_kind_is_known check (kind in ('action', 'error', 'decision', 'prediction'))
);
comment on table public.audit_log is 'Immutable record of the actions, errors, decisions and predictions of every subsystem.';
comment on column public.audit_log.created_at is 'Start of the transaction that did it.';
comment on column public.audit_log.subsystem is 'Which part of the platform acted, for example self-heal.';
comment on column public.audit_log.kind is 'action, error, decision or prediction.';
comment on column public.audit_log.actor is 'Who decided: system, or the person that called the function.';
comment on column public.audit_log.action is 'Verb in the past tense, for example failure.reported.';
comment on column public.audit_log.resource is 'What it was done to, for example integration:slack.';
comment on column public.audit_log.result is 'Outcome in one word, for example pending, resolved, disabled.';
comment on column public.audit_log.payload is 'Details without secrets.';

create index audit_log_resource_idx on public.audit_log (resource, immutable_seq desc);
comment on index public.audit_log_resource_idx is 'The history of one resource, newest first.';

alter table public.audit_log enable row level security;
revoke all on public.audit_log from public, anon, authenticated, service_role;
grant select on public.audit_log to service_role;
select private.make_immutable('public.audit_log');

create function private.audit(
  p_subsystem text, p_actor text, p_action text, p_resource text, p_result text, p_payload jsonb default '{}', p_kind text default 'action'
) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.audit_log (subsystem, kind, actor, action, resource, result, payload)
  values (p_subsystem, p_kind, p_actor, p_action, p_resource, p_result, p_payload);
end $$;
comment on function private.audit(text, text, text, text, text, jsonb, text) is
  'Appends one entry to the audit log, in the caller''s transaction.';
revoke execute on function private.audit(text, text, text, text, text, jsonb, text) from public, anon, authenticated, service_role;
