-- A refund takes back the practitioner's part: where all is over, what they have of a session's charges is what
-- they earned, less what was deducted.
select payable.session_id, payable.participant_no, payable.minor as owed_back_minor
from (
    select session_id, participant_no, sum(amount_minor) as minor
    from ledger_transactions join ledger_entries on transaction_id = ledger_transactions.id
    where account = 'practitioner_payable'
    group by session_id, participant_no
) payable
where payable.minor > 0
    and not exists (
        select from payment_ops
        where payment_ops.session_id = payable.session_id
            and payment_ops.participant_no = payable.participant_no
            and kind in ('transfer', 'refund', 'reversal') and state not in ('succeeded', 'failed')
    )
