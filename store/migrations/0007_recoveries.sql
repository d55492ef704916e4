-- When money goes wrong later: refunds that fail after the fact, Stripe's own fees, the platform's balance as it
-- should be, and everything back to a guest who turns out to be a minor.

-- Everything that was ever collected from a guest goes back. Moderation orders it; a duty carries it out, again
-- and again until nothing is left and no session of theirs is still to be settled.
create table restitutions (
    id uuid primary key,
    guest_id uuid not null,
    session_id uuid,
    reason text not null check (length(reason) between 1 and 500),
    ordered_by uuid not null,
    at_ms bigint not null,
    done_at_ms bigint,
    looked_at_ms bigint not null default 0
);
comment on table restitutions is 'Purpose: to give a guest back everything that was collected from them.';
-- Ordered twice while it is open, it is the same.
create unique index restitutions_open on restitutions (guest_id) where done_at_ms is null;
create index restitutions_turn on restitutions (looked_at_ms, at_ms) where done_at_ms is null;

alter table refunds add column restitution_id uuid references restitutions (id);
create index refunds_restitution on refunds (restitution_id) where restitution_id is not null;

-- What was kept against a debt and is refunded afterwards was never transferred, so nothing can be reversed: it is
-- owed once more.
alter table deductions drop constraint deductions_kind_check, drop constraint deductions_check2;
alter table deductions
    add constraint deductions_kind_check check (kind in ('refund', 'dispute', 'netting', 'debt')),
    add constraint deductions_amounts_check check (
        case when kind in ('netting', 'debt') then amount_minor = 0 and practitioner_minor > 0
        else practitioner_minor <= amount_minor end
    );

-- What Stripe kept of a movement, by its balance transaction: each is booked once, whoever sees it first.
create table stripe_fees (
    id text primary key check (length(id) <= 255),
    session_id uuid not null,
    participant_no integer not null check (participant_no > 0),
    ordinal integer not null check (ordinal > 0),
    source text not null check (length(source) <= 255),
    amount_minor bigint not null check (amount_minor <> 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    created_at_ms bigint not null,
    foreign key (session_id, participant_no) references participants (session_id, no),
    unique (session_id, participant_no, ordinal)
);
comment on table stripe_fees is 'Purpose: to book each fee of Stripe''s once; money alone, nothing of a person.';

-- Movements of the platform's balance that are no session's affair: payouts to its bank, top-ups, Stripe's bills.
create table platform_movements (
    id text primary key check (length(id) <= 255),
    type text not null check (length(type) <= 100),
    net_minor bigint not null,
    currency text not null check (currency ~ '^[a-z]{3}$'),
    created_at_ms bigint not null
);

-- The platform's balance against the ledger, by currency: what lay there before the first comparison, and the
-- difference that the last one saw. One that is seen twice opens a case, and is told of once.
create table balances_compared (
    currency text primary key check (currency ~ '^[a-z]{3}$'),
    opening_minor bigint not null,
    difference_minor bigint not null,
    told_minor bigint not null,
    compared_at_ms bigint not null
);

-- A movement that Stripe told of before our own record had it: it is looked at again until its operation is over.
create table movements_kept (
    id text primary key check (length(id) <= 255),
    movement jsonb not null,
    since_ms bigint not null
);

create index payment_ops_holds on payment_ops (session_id) where kind = 'hold' and state = 'succeeded';
create index sessions_uncharged on sessions (ended_at_ms)
    where settled_at_ms is null and state in ('ended', 'declined', 'expired', 'cancelled');

-- What stands in for a hold and was declined: what its guest owes.
create index payment_ops_charges on payment_ops (session_id, participant_no) where kind = 'charge';

do $$
declare
    guarded text;
    stranger text;
begin
    foreach guarded in array array[
        'restitutions', 'stripe_fees', 'platform_movements', 'balances_compared', 'movements_kept'
    ] loop
        execute format('alter table public.%I enable row level security', guarded);
        execute format('revoke all on public.%I from public', guarded);
        for stranger in select rolname from pg_roles
                        where rolname in ('anon', 'authenticated', 'service_role', 'hub_worker') loop
            execute format('revoke all on public.%I from %I', guarded, stranger);
        end loop;
        execute format('create policy hub_worker_works on public.%I to hub_worker using (true) with check (true)',
                       guarded);
    end loop;
end $$;

grant select, insert on restitutions, stripe_fees, platform_movements, balances_compared to hub_worker;
grant update (done_at_ms, looked_at_ms) on restitutions to hub_worker;
grant select, insert, delete on movements_kept to hub_worker;
grant update (difference_minor, told_minor, compared_at_ms) on balances_compared to hub_worker;
