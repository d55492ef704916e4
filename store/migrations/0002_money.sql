-- What is owed, what was booked, and what is to be done at Stripe.

create table settlements (
    session_id uuid not null,
    participant_no integer not null check (participant_no > 0),
    billed_ms bigint not null check (billed_ms >= 0),
    free_ms bigint not null check (free_ms >= 0),
    rate_minor_per_minute bigint not null check (rate_minor_per_minute >= 0),
    subtotal_minor bigint not null check (subtotal_minor >= 0),
    fee_minor bigint not null check (fee_minor >= 0),
    practitioner_minor bigint not null check (practitioner_minor >= 0),
    total_minor bigint not null check (total_minor >= 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    waived text,
    created_at_ms bigint not null,
    -- The second settlement of the same part finds this key taken: nobody is charged twice.
    primary key (session_id, participant_no),
    foreign key (session_id, participant_no) references participants (session_id, no)
);

create table ledger_transactions (
    id bigint generated always as identity primary key,
    session_id uuid not null,
    participant_no integer not null,
    kind text not null check (kind ~ '^[a-z_]{1,40}$'),
    ordinal integer not null check (ordinal >= 0),
    created_at_ms bigint not null,
    unique (session_id, participant_no, kind, ordinal)
);

create table ledger_entries (
    transaction_id bigint not null references ledger_transactions (id),
    line integer not null check (line >= 0),
    account text not null check (account ~ '^[a-z_]{1,60}$'),
    amount_minor bigint not null check (amount_minor <> 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    primary key (transaction_id, line)
);
create index ledger_entries_account on ledger_entries (account, currency);

-- Checked when the transaction commits, once all its entries are there. The trigger names the column that
-- holds the ledger transaction's id.
create function ledger_balances() returns trigger language plpgsql set search_path = '' as $$
declare
    checked bigint := to_jsonb(new) ->> tg_argv[0];
begin
    if not exists (select from public.ledger_entries where transaction_id = checked) then
        raise exception 'ledger transaction % has no entries', checked using errcode = 'check_violation';
    end if;
    if exists (
        select from public.ledger_entries where transaction_id = checked
        group by currency having sum(amount_minor) <> 0
    ) then
        raise exception 'ledger transaction % does not sum to zero', checked using errcode = 'check_violation';
    end if;
    return null;
end $$;

create constraint trigger ledger_entries_balance after insert on ledger_entries
    deferrable initially deferred for each row execute function ledger_balances('transaction_id');
create constraint trigger ledger_transactions_balance after insert on ledger_transactions
    deferrable initially deferred for each row execute function ledger_balances('id');

-- Whoever asks, the owner of the tables included: a booking is corrected by another booking.
create function ledger_is_append_only() returns trigger language plpgsql set search_path = '' as $$
begin
    raise exception 'the ledger is append-only' using errcode = 'insufficient_privilege';
end $$;

create trigger ledger_entries_append_only before update or delete or truncate on ledger_entries
    for each statement execute function ledger_is_append_only();
create trigger ledger_transactions_append_only before update or delete or truncate on ledger_transactions
    for each statement execute function ledger_is_append_only();

-- One row per call that Stripe is to get. `ordinal` counts what is wanted, `attempt` definitive failures.
create table payment_ops (
    id bigint generated always as identity primary key,
    session_id uuid not null,
    participant_no integer not null check (participant_no >= 0),
    kind text not null check (kind ~ '^[a-z_]{1,40}$'),
    ordinal integer not null check (ordinal >= 0),
    attempt integer not null default 1 check (attempt > 0),
    amount_minor bigint not null default 0 check (amount_minor >= 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    params jsonb not null,
    idem_key text not null unique,
    state text not null default 'pending'
        check (state in ('pending', 'in_flight', 'unknown', 'succeeded', 'failed')),
    stripe_id text,
    outcome jsonb,
    first_sent_at_ms bigint,
    next_at_ms bigint not null,
    lease_until_ms bigint not null default 0,
    applied_at_ms bigint,
    created_at_ms bigint not null,
    unique (session_id, participant_no, kind, ordinal, attempt)
);
create index payment_ops_due on payment_ops (next_at_ms) where state in ('pending', 'in_flight', 'unknown');
create index payment_ops_unapplied on payment_ops (id) where applied_at_ms is null and outcome is not null;
create index payment_ops_object on payment_ops (stripe_id) where stripe_id is not null;

-- The notice only wakes a worker; what counts is the row.
create function payment_op_wanted() returns trigger language plpgsql set search_path = '' as $$
begin
    perform pg_notify('payment_ops', new.id::text);
    return null;
end $$;
create trigger payment_ops_wanted after insert on payment_ops
    for each row execute function payment_op_wanted();

create table webhook_inbox (
    event_id text primary key check (length(event_id) <= 255),
    source text not null check (source ~ '^[a-z_-]{1,40}$'),
    type text not null,
    object_id text,
    payload jsonb not null,
    received_at_ms bigint not null,
    state text not null default 'new' check (state in ('new', 'done', 'failed')),
    attempts integer not null default 0 check (attempts >= 0),
    next_at_ms bigint not null,
    note text
);
create index webhook_inbox_due on webhook_inbox (next_at_ms) where state = 'new';

create function webhook_arrived() returns trigger language plpgsql set search_path = '' as $$
begin
    perform pg_notify('webhook_inbox', new.event_id);
    return null;
end $$;
create trigger webhook_inbox_arrived after insert on webhook_inbox
    for each row execute function webhook_arrived();
