-- No money is booked as moved that no operation moved. A refund that failed later is booked back.
select ledger_transactions.id as transaction_id, ledger_transactions.session_id, ledger_transactions.kind
from ledger_transactions
where kind in ('capture', 'charge', 'tip', 'transfer', 'refund', 'reversal')
    and not exists (
        select from payment_ops
        where payment_ops.session_id = ledger_transactions.session_id
            and payment_ops.participant_no = ledger_transactions.participant_no
            and payment_ops.kind = ledger_transactions.kind
            and payment_ops.ordinal = ledger_transactions.ordinal and state = 'succeeded'
    )
    and not (kind = 'refund' and exists (
        select from ledger_transactions back
        where back.session_id = ledger_transactions.session_id
            and back.participant_no = ledger_transactions.participant_no
            and back.kind = 'refund_failed' and back.ordinal = ledger_transactions.ordinal
    ))
