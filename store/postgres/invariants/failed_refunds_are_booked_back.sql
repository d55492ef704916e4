-- A refund that failed after it was made is booked back to the unit, and nothing else is booked as one.
with booked as (
    select session_id, participant_no, ledger_transactions.kind, ordinal, account, sum(amount_minor) as minor
    from ledger_transactions join ledger_entries on transaction_id = ledger_transactions.id
    where ledger_transactions.kind in ('refund', 'refund_failed')
    group by 1, 2, 3, 4, 5
), made as (
    select booked.*, exists (
        select from payment_ops
        where payment_ops.session_id = booked.session_id and payment_ops.kind = 'refund'
            and payment_ops.participant_no = booked.participant_no and payment_ops.ordinal = booked.ordinal
            and state = 'succeeded'
    ) as stands
    from booked where booked.kind = 'refund'
), back as (
    select * from booked where kind = 'refund_failed'
)
select coalesce(made.session_id, back.session_id) as session_id, coalesce(made.ordinal, back.ordinal) as ordinal,
    made.minor as refunded_minor, back.minor as booked_back_minor
from made
full join back on back.session_id = made.session_id and back.participant_no = made.participant_no
    and back.ordinal = made.ordinal and back.account = made.account
where (made.stands and back.minor is not null)
    or (not coalesce(made.stands, false) and coalesce(made.minor, 0) + coalesce(back.minor, 0) <> 0)
