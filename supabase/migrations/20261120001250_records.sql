-- Records of the project's own: receipts, ledger events, call sessions. They are inserted once and never changed;
-- what was wrong is corrected by a further row. A project that has such a table keeps it as it is, immutable from now on.

do $$
begin
  if to_regclass('public.receipts') is not null then
    return;
  end if;
  create table public.receipts (
    id uuid primary key default gen_random_uuid(),
    created_at timestamptz not null default now(),
    payer text not null,
    amount_minor bigint not null,
    currency text not null,
    reference text,
    payload jsonb not null default '{}',
    constraint receipts_name_a_payer check (payer <> ''),
    constraint receipts_currency_has_three_letters check (currency ~ '^[A-Z]{3}$')
  );
  comment on table public.receipts is 'Immutable record of payments received, and of what corrects them.';
  comment on column public.receipts.id is 'Identity.';
  comment on column public.receipts.created_at is 'When it was recorded.';
  comment on column public.receipts.payer is 'Who paid, for example a customer''s id.';
  comment on column public.receipts.amount_minor is 'Amount in minor units (cents); negative for what was paid back.';
  comment on column public.receipts.currency is 'ISO 4217 code, for example EUR.';
  comment on column public.receipts.reference is 'What was paid for, for example an invoice''s number.';
  comment on column public.receipts.payload is 'Details without secrets.';
end $$;

do $$
begin
  if to_regclass('public.ledger_events') is not null then
    return;
  end if;
  create table public.ledger_events (
    id uuid primary key default gen_random_uuid(),
    created_at timestamptz not null default now(),
    event_type text not null,
    account text not null,
    amount_minor bigint not null,
    currency text not null,
    idempotency_key text,
    payload jsonb not null default '{}',
    constraint ledger_events_have_a_type check (event_type <> ''),
    constraint ledger_events_name_an_account check (account <> ''),
    constraint ledger_events_currency_has_three_letters check (currency ~ '^[A-Z]{3}$'),
    constraint ledger_events_happen_once unique (idempotency_key)
  );
  comment on table public.ledger_events is 'Immutable record of movements of money, one row for each account.';
  comment on column public.ledger_events.id is 'Identity.';
  comment on column public.ledger_events.created_at is 'When it was recorded.';
  comment on column public.ledger_events.event_type is 'What happened, for example payment.received.';
  comment on column public.ledger_events.account is 'Whose money it is, for example a customer''s or a bucket''s name.';
  comment on column public.ledger_events.amount_minor is 'Amount in minor units (cents); negative when it leaves the account.';
  comment on column public.ledger_events.currency is 'ISO 4217 code, for example EUR.';
  comment on column public.ledger_events.idempotency_key is 'The same event, sent again, has the same key and is refused; null when the sender has none.';
  comment on column public.ledger_events.payload is 'Details without secrets.';
end $$;

do $$
begin
  if to_regclass('public.call_sessions') is not null then
    return;
  end if;
  create table public.call_sessions (
    id uuid primary key default gen_random_uuid(),
    created_at timestamptz not null default now(),
    started_at timestamptz not null,
    ended_at timestamptz not null,
    status text not null,
    lane integer,
    participants text[] not null default '{}',
    payload jsonb not null default '{}',
    constraint call_sessions_end_after_they_start check (ended_at >= started_at),
    constraint call_sessions_status_is_known check (status in ('completed', 'missed', 'failed'))
  );
  comment on table public.call_sessions is 'Immutable record of calls between people, one row when a call has ended.';
  comment on column public.call_sessions.id is 'Identity.';
  comment on column public.call_sessions.created_at is 'When it was recorded.';
  comment on column public.call_sessions.started_at is 'When the call began.';
  comment on column public.call_sessions.ended_at is 'When it ended.';
  comment on column public.call_sessions.status is 'completed, missed or failed.';
  comment on column public.call_sessions.lane is 'Lane of the mesh that carried it; null when unknown.';
  comment on column public.call_sessions.participants is 'Ids of those who took part.';
  comment on column public.call_sessions.payload is 'Details without secrets, for example quality figures.';
end $$;

alter table public.receipts enable row level security;
alter table public.ledger_events enable row level security;
alter table public.call_sessions enable row level security;
revoke all on public.receipts, public.ledger_events, public.call_sessions from public, anon, authenticated, service_role;
grant select, insert on public.receipts, public.ledger_events, public.call_sessions to service_role;
select private.make_immutable(name) from unnest('{public.receipts, public.ledger_events, public.call_sessions}'::text[]) name;
