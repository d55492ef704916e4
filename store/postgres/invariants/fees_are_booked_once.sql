-- Each fee that Stripe kept stands in the ledger once, as it was kept, and no other does.
with booked as (
    select session_id, participant_no, ordinal, sum(amount_minor) as minor
    from ledger_transactions join ledger_entries on transaction_id = ledger_transactions.id
    where ledger_transactions.kind = 'stripe_fee' and account = 'stripe_fees'
    group by 1, 2, 3
)
select coalesce(stripe_fees.session_id, booked.session_id) as session_id, stripe_fees.id as balance_transaction,
    stripe_fees.amount_minor as kept_minor, booked.minor as booked_minor
from stripe_fees full join booked using (session_id, participant_no, ordinal)
where coalesce(stripe_fees.amount_minor, 0) <> coalesce(booked.minor, 0)
