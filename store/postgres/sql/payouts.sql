-- Practitioners' accounts at Stripe, what they earned, and what reached their banks.

-- name: practitioner_of
-- $1 stripe_account
select practitioner_id from practices where stripe_account = $1

-- name: accounts
-- $1 after this practitioner or null, $2 limit
select practitioner_id, stripe_account from practices
where stripe_account is not null and ($1::uuid is null or practitioner_id > $1)
order by practitioner_id
limit $2

-- name: account
-- $1 practitioner_id. No row: they have no practice.
select stripe_account, account_no, transfers_active from practices where practitioner_id = $1

-- name: lock_account
-- $1 practitioner_id. Of two transfers that could both pay off a debt the second waits.
select stripe_account, account_no, transfers_active from practices where practitioner_id = $1
for no key update

-- name: keep_account
-- $1 practitioner_id, $2 account_no, $3 stripe_account. No row: another account was kept meanwhile.
update practices set stripe_account = $3
where practitioner_id = $1 and account_no = $2 and (stripe_account is null or stripe_account = $3)
returning stripe_account

-- name: drop_account
-- $1 practitioner_id, $2 stripe_account: it is no longer ours to use.
update practices set stripe_account = null, transfers_active = false, account_no = account_no + 1
where practitioner_id = $1 and stripe_account = $2

-- name: promised_within
-- $1 session_id, $2 participant_no, $3 span in ms: what was promised to the practitioner for free time within the
-- span up to this settlement, it included, in minor units of its currency.
select coalesce(sum(other.promotion_minor), 0)::bigint
from settlements this
join sessions on sessions.id = this.session_id
join settlements other on other.currency = this.currency and other.promotion_minor > 0
    and other.created_at_ms > this.created_at_ms - $3::bigint and other.created_at_ms <= this.created_at_ms
join sessions theirs on theirs.id = other.session_id and theirs.practitioner_id = sessions.practitioner_id
where this.session_id = $1 and this.participant_no = $2

-- name: save_payout
-- $1 id, $2 practitioner_id, $3 amount_minor, $4 currency, $5 status, $6 arrival_at_ms, $7 created_at_ms,
-- $8 now_ms
insert into payouts (id, practitioner_id, amount_minor, currency, status, arrival_at_ms, created_at_ms,
                     updated_at_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (id) do update set amount_minor = excluded.amount_minor, status = excluded.status,
    arrival_at_ms = excluded.arrival_at_ms, updated_at_ms = excluded.updated_at_ms

-- name: debt
-- $1 practitioner_id, $2 currency: what they have to give back, in minor units.
select coalesce(sum(amount_minor), 0)::bigint
from ledger_entries
join ledger_transactions on ledger_transactions.id = transaction_id
join sessions on sessions.id = session_id
where account = 'practitioner_debt' and practitioner_id = $1 and ledger_entries.currency = $2

-- name: earnings
-- $1 practitioner_id: by currency, from the ledger, with what payouts are known.
with booked as (
    select ledger_entries.currency, ledger_transactions.kind, account, sum(amount_minor) as minor
    from ledger_entries
    join ledger_transactions on ledger_transactions.id = transaction_id
    join sessions on sessions.id = session_id
    where practitioner_id = $1 and account in ('practitioner_payable', 'practitioner_debt')
    group by 1, 2, 3
), paid as (
    select currency, sum(amount_minor) filter (where status = 'paid') as paid_minor,
        sum(amount_minor) filter (where status in ('pending', 'in_transit')) as on_the_way_minor
    from payouts where practitioner_id = $1 group by currency
), owed as (
    select currency,
        -sum(minor) filter (where account = 'practitioner_payable'
            and kind not in ('transfer', 'reversal', 'debt', 'netting', 'netted_back')) as earned_minor,
        -sum(minor) filter (where account = 'practitioner_payable' and kind = 'promotion') as promotion_minor,
        -sum(minor) filter (where account = 'practitioner_payable') as pending_minor,
        sum(minor) filter (where account = 'practitioner_payable'
            and kind in ('transfer', 'reversal')) as transferred_minor,
        sum(minor) filter (where account = 'practitioner_debt') as debt_minor
    from booked group by currency
)
select coalesce(owed.currency, paid.currency) as currency, coalesce(earned_minor, 0)::bigint as earned_minor,
    coalesce(promotion_minor, 0)::bigint as promotion_minor,
    coalesce(pending_minor, 0)::bigint as pending_minor,
    coalesce(transferred_minor, 0)::bigint as transferred_minor,
    coalesce(paid_minor, 0)::bigint as paid_out_minor,
    coalesce(on_the_way_minor, 0)::bigint as on_the_way_minor,
    coalesce(debt_minor, 0)::bigint as debt_minor
from owed full join paid on paid.currency = owed.currency
order by 1

-- name: earned_sessions
-- $1 practitioner_id, $2 before this session or null, $3 limit. The newest first.
select sessions.id as session_id, sessions.ended_at_ms, settlements.currency,
    sum(settlements.total_minor)::bigint as charged_minor,
    sum(settlements.fee_minor)::bigint as fee_minor,
    sum(settlements.practitioner_minor)::bigint as earned_minor,
    sum(settlements.promotion_minor)::bigint as promotion_minor,
    (select coalesce(-sum(ledger_entries.amount_minor), 0) from ledger_entries
     join ledger_transactions on ledger_transactions.id = transaction_id
     where ledger_transactions.session_id = sessions.id and account = 'practitioner_payable'
         and ledger_transactions.kind = 'tip')::bigint as tip_minor,
    (select coalesce(sum(practitioner_minor), 0) from deductions
     where deductions.session_id = sessions.id and kind <> 'debt'
         and not exists (
             select from payment_ops
             where payment_ops.session_id = deductions.session_id and payment_ops.kind = 'refund'
                 and payment_ops.participant_no = deductions.participant_no
                 and payment_ops.ordinal = deductions.ordinal and deductions.kind = 'refund'
             having bool_and(payment_ops.state = 'failed')
         ))::bigint as deducted_minor,
    (select coalesce(sum(ledger_entries.amount_minor), 0) from ledger_entries
     join ledger_transactions on ledger_transactions.id = transaction_id
     where ledger_transactions.session_id = sessions.id and account = 'practitioner_payable'
         and ledger_transactions.kind in ('transfer', 'reversal'))::bigint as transferred_minor
from sessions join settlements on settlements.session_id = sessions.id
where practitioner_id = $1 and ($2::uuid is null or sessions.id < $2)
group by sessions.id, settlements.currency
order by sessions.id desc
limit $3

-- name: untransferred
-- $1 limit: guests' parts with a charge that was collected, earned something, and has no transfer, or with free
-- time that none pays for, while the practitioner's account is ready for it.
select payment_ops.session_id, payment_ops.participant_no
from payment_ops
join sessions on sessions.id = payment_ops.session_id
join practices on practices.practitioner_id = sessions.practitioner_id
join settlements on settlements.session_id = payment_ops.session_id
    and settlements.participant_no = payment_ops.participant_no
where payment_ops.kind in ('capture', 'charge', 'tip') and payment_ops.state = 'succeeded'
    and practices.transfers_active and practices.stripe_account is not null
    and (settlements.practitioner_minor > 0 or payment_ops.kind = 'tip')
    and not exists (
        select from payment_ops sent
        where sent.session_id = payment_ops.session_id and sent.participant_no = payment_ops.participant_no
            and sent.kind = 'transfer'
            and sent.params -> 'body' ->> 'source_transaction' = payment_ops.outcome ->> 'charge'
    )
union
select settlements.session_id, settlements.participant_no
from settlements
join sessions on sessions.id = settlements.session_id
join practices on practices.practitioner_id = sessions.practitioner_id
where settlements.promotion_minor > 0 and practices.transfers_active and practices.stripe_account is not null
    and not exists (
        select from payment_ops sent
        where sent.session_id = settlements.session_id and sent.kind = 'transfer' and sent.ordinal = 3001
            and sent.participant_no = settlements.participant_no
    )
limit $1
