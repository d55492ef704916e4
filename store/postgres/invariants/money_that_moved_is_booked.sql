-- Each operation that moved money stands in the ledger once, with what Stripe moved.
select payment_ops.id as operation_id, payment_ops.session_id, payment_ops.kind,
    (outcome ->> 'amount_minor')::bigint as moved_minor, booked.minor as booked_minor
from payment_ops
left join lateral (
    select sum(abs(amount_minor)) as minor
    from ledger_transactions join ledger_entries on transaction_id = ledger_transactions.id
    where ledger_transactions.session_id = payment_ops.session_id
        and ledger_transactions.participant_no = payment_ops.participant_no
        and ledger_transactions.kind = payment_ops.kind and ledger_transactions.ordinal = payment_ops.ordinal
        and account = 'stripe_clearing'
) booked on true
where state = 'succeeded' and kind in ('capture', 'charge', 'tip', 'transfer', 'refund', 'reversal')
    and coalesce(booked.minor, 0) <> coalesce((outcome ->> 'amount_minor')::bigint, 0)
