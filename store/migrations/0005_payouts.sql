-- What goes back and what goes on: refunds by one admin or two, disputes, debts, payouts; and who decided.

-- Which connected account of the practitioner's is in use: one that was disconnected is never used again, and
-- the next one is created under another key.
alter table practices add column account_no integer not null default 1 check (account_no > 0);

-- A refund as an admin asked for it. Above a limit a second admin approves; until then nothing is sent.
create table refunds (
    id uuid primary key,
    session_id uuid not null,
    participant_no integer not null check (participant_no > 0),
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    reason text not null check (length(reason) between 1 and 500),
    state text not null check (state in ('pending_approval', 'approved', 'rejected', 'done', 'failed')),
    request_id text check (length(request_id) <= 100),
    requested_by uuid not null,
    decided_by uuid,
    created_at_ms bigint not null,
    decided_at_ms bigint,
    foreign key (session_id, participant_no) references participants (session_id, no),
    unique (requested_by, request_id),
    check (decided_by is distinct from requested_by)
);
create index refunds_session on refunds (session_id);

create table disputes (
    id text primary key check (length(id) <= 255),
    session_id uuid not null,
    participant_no integer not null check (participant_no > 0),
    ordinal integer not null check (ordinal > 0),
    charge text not null,
    intent text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    reason text not null,
    status text not null,
    due_by_ms bigint,
    opened_at_ms bigint not null,
    closed_at_ms bigint,
    foreign key (session_id, participant_no) references participants (session_id, no),
    unique (session_id, participant_no, ordinal)
);

-- What is deducted from a charge and from the practitioner's part of it: by a refund, by a lost dispute, or,
-- of the practitioner's part alone, against a debt.
create table deductions (
    session_id uuid not null,
    participant_no integer not null check (participant_no > 0),
    ordinal integer not null check (ordinal > 0),
    kind text not null check (kind in ('refund', 'dispute', 'netting')),
    charge text not null,
    amount_minor bigint not null check (amount_minor >= 0),
    practitioner_minor bigint not null check (practitioner_minor >= 0),
    refund_id uuid references refunds (id),
    dispute_id text references disputes (id),
    created_at_ms bigint not null,
    primary key (session_id, participant_no, ordinal),
    foreign key (session_id, participant_no) references participants (session_id, no),
    check ((kind = 'refund') = (refund_id is not null)),
    check ((kind = 'dispute') = (dispute_id is not null)),
    check (case kind when 'netting' then amount_minor = 0 and practitioner_minor > 0
           else practitioner_minor <= amount_minor end)
);
create index deductions_refund on deductions (refund_id) where refund_id is not null;

-- What a guest was charged for a session, and what of it has gone back or is about to.
create function collected_minor(session uuid, part integer) returns bigint
    language sql stable set search_path = '' as $$
    select coalesce(sum((outcome ->> 'amount_minor')::bigint), 0)::bigint
    from public.payment_ops
    where session_id = session and participant_no = part and kind in ('capture', 'charge', 'tip')
        and state = 'succeeded'
$$;

-- A refund that failed at Stripe for good takes up nothing.
create function returned_minor(session uuid, part integer) returns bigint
    language sql stable set search_path = '' as $$
    select (
        select coalesce(sum(amount_minor), 0) from public.refunds
        where session_id = session and participant_no = part and state = 'pending_approval'
    )::bigint + (
        select coalesce(sum(amount_minor), 0) from public.deductions
        where session_id = session and participant_no = part
            and (kind <> 'refund' or not exists (
                select from public.payment_ops
                where payment_ops.session_id = session and payment_ops.participant_no = part
                    and payment_ops.kind = 'refund' and payment_ops.ordinal = deductions.ordinal
                having bool_and(payment_ops.state = 'failed')
            ))
    )::bigint
$$;

-- Whoever writes, and however many at once: a guest never gets back more than was charged. The lock on the
-- session makes the second of two refunds see the first.
create function refund_fits() returns trigger language plpgsql set search_path = '' as $$
begin
    perform from public.sessions where id = new.session_id for no key update;
    if public.returned_minor(new.session_id, new.participant_no)
            > public.collected_minor(new.session_id, new.participant_no) then
        raise exception 'more would go back than was charged' using errcode = 'check_violation';
    end if;
    return null;
end $$;
create trigger refunds_fit after insert on refunds for each row execute function refund_fits();
-- What a bank takes is taken, whatever was promised beside it.
create trigger deductions_fit after insert on deductions for each row when (new.kind = 'refund')
    execute function refund_fits();

-- Payouts of connected accounts to their owners' banks, as Stripe last told.
create table payouts (
    id text primary key check (length(id) <= 255),
    practitioner_id uuid not null references people (id) on delete cascade,
    amount_minor bigint not null,
    currency text not null check (currency ~ '^[a-z]{3}$'),
    status text not null,
    arrival_at_ms bigint not null,
    created_at_ms bigint not null,
    updated_at_ms bigint not null
);
create index payouts_practitioner on payouts (practitioner_id, created_at_ms desc);

-- What admins did: never changed, never removed.
create table admin_actions (
    id bigint generated always as identity primary key,
    admin_id uuid not null,
    action text not null check (action ~ '^[a-z_]{1,60}$'),
    subject text not null check (length(subject) <= 255),
    session_id uuid,
    reason text not null check (length(reason) between 1 and 500),
    detail jsonb not null default '{}',
    at_ms bigint not null
);
create function admin_actions_stay() returns trigger language plpgsql set search_path = '' as $$
begin
    raise exception 'what was done stays on record' using errcode = 'insufficient_privilege';
end $$;
create trigger admin_actions_append_only before update or delete or truncate on admin_actions
    for each statement execute function admin_actions_stay();

-- One open case a kind, session and subject, so that two differences of one session are two cases.
alter table cases add column subject text check (length(subject) <= 255);
drop index cases_open;
create unique index cases_open on cases (kind, session_id, subject) nulls not distinct
    where closed_at_ms is null;

-- How far the reconciler has read each list at Stripe, in Unix seconds.
create table reconciled (
    list text primary key check (list ~ '^[a-z_]{1,40}$'),
    until_s bigint not null
);
-- An operation whose object at Stripe was compared with its row.
alter table payment_ops add column reconciled_at_ms bigint;
create index payment_ops_unreconciled on payment_ops (id)
    where reconciled_at_ms is null and state = 'succeeded' and kind not in ('hold', 'evidence');
create index payment_ops_charge on payment_ops ((outcome ->> 'charge')) where outcome ->> 'charge' is not null;

do $$
declare
    guarded text;
    stranger text;
begin
    foreach guarded in array array[
        'refunds', 'disputes', 'deductions', 'payouts', 'admin_actions', 'reconciled'
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

grant select, insert on refunds, disputes, deductions, payouts, admin_actions, reconciled to hub_worker;
grant update (state, decided_by, decided_at_ms) on refunds to hub_worker;
grant update (status, due_by_ms, closed_at_ms) on disputes to hub_worker;
grant update (amount_minor, status, arrival_at_ms, updated_at_ms) on payouts to hub_worker;
grant update (until_s) on reconciled to hub_worker;
grant update (reconciled_at_ms) on payment_ops to hub_worker;
revoke all on function collected_minor(uuid, integer), returned_minor(uuid, integer) from public;
grant execute on function collected_minor(uuid, integer), returned_minor(uuid, integer) to hub_worker;
